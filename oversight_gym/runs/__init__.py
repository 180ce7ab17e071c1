"""One run: its config, training, files and folder."""
