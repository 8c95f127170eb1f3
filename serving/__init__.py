"""The BentoML service: contract, scoring, prediction log; how a bento is packaged, probed and run."""
