"""Build the bento that serves the checkpoint."""
