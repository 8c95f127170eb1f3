"""Kubeflow Pipelines from afar: submit, wait, cancel, schedule, upload.

Everything goes through a `Server`. Nothing that creates is ever repeated blindly: where an answer is lost, the server
is first asked whether it has what was to be created.
"""

from pipelines.client.costs import Estimate, estimate
from pipelines.client.orders import Order
from pipelines.client.runs import Run, cancel_run, find_runs, get_run, wait_run
from pipelines.client.schedules import Schedule, delete_schedule, find_schedules, put_schedule, switch_schedule
from pipelines.client.server import NoAnswer, Refused, Server
from pipelines.client.submission import find_duplicate, submit
from pipelines.client.uploads import Version, upload

__all__ = [
    "Estimate", "NoAnswer", "Order", "Refused", "Run", "Schedule", "Server", "Version", "cancel_run", "delete_schedule",
    "estimate", "find_duplicate", "find_runs", "find_schedules", "get_run", "put_schedule", "submit", "switch_schedule",
    "upload", "wait_run",
]  # fmt: skip
