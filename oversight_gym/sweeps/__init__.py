"""Many runs: the plan, the estimate, and the executors that finish, resume and say what failed."""
