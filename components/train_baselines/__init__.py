"""Train a model of each task alone, where the suite holds its tasks against such models."""
