"""What is true: squares and walls, kinds of terminals and their values, layouts, dynamics, state."""
