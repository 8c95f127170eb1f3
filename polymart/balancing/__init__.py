"""How tasks share one optimiser: weights (one file per method) and sampling."""
