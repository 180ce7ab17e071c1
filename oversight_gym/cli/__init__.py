"""The command ``oversight-gym``."""
