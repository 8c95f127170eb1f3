"""Metrics, intervals, floors and rivals."""
