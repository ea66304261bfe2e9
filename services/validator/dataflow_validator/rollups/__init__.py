"""Hours and days of readings, added up: marked dirty with each change of rows, recomputed from the rows behind it."""
