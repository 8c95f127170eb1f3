"""Micro-batches, schedule, loop and checkpoint."""
