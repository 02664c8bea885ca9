"""Foreign files in, checked Datasets out: one kind of source a file."""
