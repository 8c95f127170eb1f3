"""Train one encoder with one head per task and write the best checkpoint."""
