"""Start the very bento, query it, compare every head with the trainer, measure latency, stop it."""
