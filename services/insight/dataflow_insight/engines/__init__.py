"""What turns questions into plans and results into sentences; all behind one Protocol."""
