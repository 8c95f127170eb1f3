"""Part of the training pipeline: what a candidate is held against besides floors and classical baselines."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.fetch_champion.component import fetch_champion
from components.find_champion.component import find_champion
from components.train_baselines.component import train_baselines
from pipelines.tasks import configure
from polymart.config import Cluster


class Rivals(NamedTuple):
    """Folders that `evaluate_suite` reads."""

    champion: dsl.Model
    baselines: dsl.Model


def rivals(cluster: Cluster) -> GraphComponent:
    """The part as ``cluster`` runs it."""

    @dsl.pipeline(
        name="rivals", description="The release that the candidate would replace, and a model of each task alone."
    )
    def rivals(
        examples: dsl.Input[dsl.Dataset],
        checkpoint: dsl.Input[dsl.Model],
        suite: str,
        code_version: str,
        tracking_uri: str,
        repository: str,
        environment: str,
    ) -> Rivals:
        """Fetch the champion, train what the suite wants beside it."""
        found = find_champion(checkpoint=checkpoint, suite=suite, repository=repository, environment=environment)
        # What an environment runs is no input: a reused answer would compare with a release that was replaced long ago.
        configure(found, cluster, retry=True, secrets=(cluster.secrets.git,)).set_caching_options(False)
        fetched = fetch_champion(manifest=found.output, code_version=code_version, tracking_uri=tracking_uri)
        configure(fetched, cluster, retry=True, secrets=(cluster.secrets.mlflow,))
        trained = train_baselines(examples=examples, suite=suite, code_version=code_version)
        configure(trained, cluster, "training", retry=True, work=True, archives=True)
        return Rivals(champion=fetched.outputs["champion"], baselines=trained.outputs["baselines"])

    return rivals
