"""The one drawing under every rendering."""
