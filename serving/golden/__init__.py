"""Golden requests: real entities and inputs of the example tables with the answers that the trainer's code gives.

The reference reads the same online features but takes the other way through the model: `Predictor.scores`, task by
task, instead of the service's scorer with its shared passes. `records` says what a request and a comparison are,
`entities` and `inputs` make them, `requests` lists the endpoints and lets them take turns.
"""

from serving.golden.records import Golden, Scores, difference
from serving.golden.requests import answered_scores, golden_requests, unserved_tasks

__all__ = ["Golden", "Scores", "answered_scores", "difference", "golden_requests", "unserved_tasks"]
