"""Settings (from the environment) and Suite (from a YAML file): frozen, strict, every field documented."""

from polymart.config.access import Access, ClientCredentials, NoAccess, ServiceAccount, TokenFile
from polymart.config.base import Fraction, Frozen, Kind, Name, Origin
from polymart.config.cluster import Cluster, KeysOf, Size, Volume, load_cluster
from polymart.config.gates import Gates, Slice
from polymart.config.monitoring import Monitoring
from polymart.config.settings import Settings
from polymart.config.suite import Suite, dump_suite, load_suite
from polymart.config.table import Join, Table
from polymart.config.task import Inputs, Limits, Split, Task
from polymart.config.training import Adapter, Balancing, Distributed, Encoder, Training

__all__ = [
    "Access", "Adapter", "Balancing", "ClientCredentials", "Cluster", "Distributed", "Encoder", "Fraction", "Frozen",
    "Gates", "Inputs", "Join", "KeysOf", "Kind", "Limits", "Monitoring", "Name", "NoAccess", "Origin", "ServiceAccount",
    "Settings", "Size", "Slice", "Split", "Suite", "Table", "Task", "TokenFile", "Training", "Volume", "dump_suite",
    "load_cluster", "load_suite",
]  # fmt: skip
