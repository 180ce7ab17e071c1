"""The drawing code that every rendering uses."""
