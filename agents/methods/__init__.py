"""What an oversight method is, the registry of methods, and the reward models."""
