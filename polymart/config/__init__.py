"""Settings (from the environment) and Suite (from a YAML file): frozen, strict, every field documented."""

from polymart.config.base import Fraction, Frozen, Kind, Name, Origin
from polymart.config.gates import Gates, Slice
from polymart.config.monitoring import Monitoring
from polymart.config.settings import Settings
from polymart.config.suite import Suite, dump_suite, load_suite
from polymart.config.table import Join, Table
from polymart.config.task import Inputs, Limits, Split, Task
from polymart.config.training import Adapter, Balancing, Distributed, Encoder, Training

__all__ = [
    "Adapter", "Balancing", "Distributed", "Encoder", "Fraction", "Frozen", "Gates", "Inputs", "Join", "Kind", "Limits",
    "Monitoring", "Name", "Origin", "Settings", "Slice", "Split", "Suite", "Table", "Task", "Training", "dump_suite",
    "load_suite",
]  # fmt: skip
