"""Follow the retraining in flight, then start the one that the environment's newest decision asks for."""
