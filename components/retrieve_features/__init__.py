"""Join features to label rows point-in-time and write one example table per task."""
