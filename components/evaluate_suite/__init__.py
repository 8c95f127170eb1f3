"""Score the checkpoint on every task's test period, with intervals, floors and baselines."""
