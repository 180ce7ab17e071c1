"""The command ``oversight-gym``: one module per group of commands, each an options class and a function."""
