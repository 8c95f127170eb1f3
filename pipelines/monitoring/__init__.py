"""The monitoring pipeline."""
