"""Compare the newest windows with the training reference, report, and decide."""
