"""Fetch the checkpoint of the release that the candidate would replace, checked against its manifest."""
