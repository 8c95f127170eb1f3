"""Polymart: one shared transformer for all of a shop's decisions, kept fresh.

The library knows no orchestrator, feature store, server or drift tool; those live in the rooms beside it.
"""

__version__ = "0.1.0"
