"""The multi-task model: shared encoder, feature tower, heads; how rows become tensors."""
