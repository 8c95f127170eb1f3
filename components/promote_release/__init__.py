"""Write the release manifest and commit it to the deployment repository."""
