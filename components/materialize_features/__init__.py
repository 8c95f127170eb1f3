"""Load the newest feature values into the online store that serving reads."""
