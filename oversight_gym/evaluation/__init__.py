"""Exact evaluation by the ground truth: situations, solver, action probabilities, figures, ceilings, selection."""
