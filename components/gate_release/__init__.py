"""Judge the candidate with its started bento: the run's final verdict, which opens or closes the promotion."""
