"""Pipelines: composition only. The same object compiles for a cluster and runs on a laptop."""
