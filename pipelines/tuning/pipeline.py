"""Tuning: tables, features, a budget-matched search over task weights and learning rates."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.prepare_tables.component import prepare_tables
from components.retrieve_features.component import retrieve_features
from components.tune_suite.component import tune_suite
from components.validate_tables.component import validate_tables
from pipelines.tasks import configure
from polymart.config import Cluster


class Outputs(NamedTuple):
    """The tuned suite as YAML, and the record of every trial."""

    tuned: dsl.Artifact
    record: dsl.Artifact


def tuning(cluster: Cluster) -> GraphComponent:
    """The tuning pipeline as ``cluster`` runs it."""

    @dsl.pipeline(
        name="polymart-tuning", description="Task weights and learning rates by budget-matched random search."
    )
    def tuning(suite: str, data_version: str, code_version: str, trials: int = 12, steps: int = 200) -> Outputs:
        """Search the weights of a suite.

        Args:
            suite: the suite as JSON.
            data_version: digest of the data; part of every cache key, so that fresh data is never hidden by the cache.
            code_version: digest of the library's source; part of every cache key.
            trials: trials in all; the first is the suite as written.
            steps: optimiser steps of each trial.
        """
        prepared = prepare_tables(suite=suite, data_version=data_version, code_version=code_version)
        configure(prepared, cluster, "data", retry=True, archives=True)
        tables = prepared.outputs["tables"]
        validated = configure(validate_tables(tables=tables, code_version=code_version), cluster)
        retrieved = retrieve_features(tables=tables, suite=suite, code_version=code_version).after(validated)
        configure(retrieved, cluster, "data")
        tuned = tune_suite(
            examples=retrieved.outputs["examples"], suite=suite, code_version=code_version, trials=trials, steps=steps
        )
        configure(tuned, cluster, "training", retry=True, work=True, archives=True)
        return Outputs(tuned=tuned.outputs["tuned"], record=tuned.outputs["record"])

    return tuning
