"""Data: pinned archives, readers, cleaning, splits and examples."""
