"""Find the release that the candidate would replace."""
