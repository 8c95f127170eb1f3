"""Search task weights and learning rates under one budget and write the tuned suite."""
