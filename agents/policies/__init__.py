"""The mixture as a stable-baselines3 policy, how to steer it, and first layers that read sparse observations."""
