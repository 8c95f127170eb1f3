"""Metrics, intervals, floors and the verdict."""
