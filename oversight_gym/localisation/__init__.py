"""Where a behaviour lives in a trained policy: its hidden units, clusters of them, interventions on them."""
