"""What the supervisor sees: oversight processes, observed outcomes, and the rewards computed from them."""
