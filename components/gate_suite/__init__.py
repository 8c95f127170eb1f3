"""Judge every task against its floor; the overall outcome opens or closes the release branch."""
