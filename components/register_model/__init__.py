"""Record the run in MLflow and register the checkpoint as a model version."""
