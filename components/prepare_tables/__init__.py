"""Fetch the suite's datasets and turn them into clean tables, features and labels."""
