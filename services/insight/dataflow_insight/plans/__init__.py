"""What a question means, in types: the only thing that becomes SQL."""
