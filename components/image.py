"""The image that every component runs in; built from this repository, nothing is installed at run time."""

IMAGE = "polymart/pipeline-python:0.1.0"
"""Overridden at compile time by ``polymart compile --image``; the word python tells the local runner what it is."""
