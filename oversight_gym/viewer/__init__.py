"""Watching, playing and recording episodes. Needs no display until a window is opened."""
