"""Judge the candidate by everything but its started bento; the answer opens or closes the release branch."""
