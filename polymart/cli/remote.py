"""What the commands that speak to Kubeflow Pipelines share: options, the connection, the order of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.client import Order, Server
    from polymart.config import Cluster, Suite

Host = Annotated[str, typer.Option(help="Kubeflow Pipelines API; default POLYMART_KFP_HOST, then the cluster's.")]
ClusterFile = Annotated[
    Path | None, typer.Option("--cluster", help="YAML file with the cluster's settings; default POLYMART_CLUSTER.")
]
SuiteFile = Annotated[Path, typer.Option(help="Suite file.")]
Pipeline = Annotated[str, typer.Argument(help="training, monitoring or tuning.")]
Image = Annotated[str, typer.Option(help="Image of every component, with digest; default the cluster's.")]
Experiment = Annotated[str, typer.Option(help="Experiment that the runs belong to; default the cluster's.")]
Arguments = Annotated[
    list[str] | None, typer.Option("--argument", help="name=value of a pipeline parameter; repeatable.")
]


def cluster_of(file: Path | None) -> Cluster:
    """The settings of the named file, of POLYMART_CLUSTER, or the defaults."""
    from polymart.config import Settings, load_cluster

    return load_cluster(file or Settings().cluster)


def connect(cluster: Cluster, host: str) -> Server:
    """The server that the options, the environment or the cluster's settings name, in this order."""
    from pipelines.client import Server
    from polymart.config import Settings, TokenFile

    settings = Settings()
    file = settings.kfp_token_file
    access = TokenFile(method="token_file", file=str(file)) if file else None
    return Server(cluster, host=host or settings.kfp_host, access=access)


@contextmanager
def order_of(
    pipeline: str, suite_file: Path, cluster: Cluster, *, image: str = "", experiment: str = "", given: list[str]
) -> Iterator[Order]:
    """Compile a pipeline and check its arguments; the compiled file lives as long as the block.

    Raises:
        PolymartError: the suite, an argument or the override is not valid; nothing was sent.
    """
    import tempfile

    from pipelines.arguments import fill_arguments
    from pipelines.client import Order
    from pipelines.compiling import compile_pipeline
    from polymart.config import load_suite
    from polymart.evaluation.checks import check_suite
    from polymart.gates import parse_override

    suite, typed = load_suite(suite_file), _pairs(given)
    check_suite(suite)
    parse_override(typed.get("override", ""))
    with tempfile.TemporaryDirectory(prefix="polymart-submit-") as folder:
        package = compile_pipeline(pipeline, Path(folder) / f"{pipeline}.yaml", cluster=cluster, image=image)
        arguments = fill_arguments(package, typed, _known(suite))
        yield Order(pipeline, suite.name, package, experiment or cluster.experiment, arguments)


def _known(suite: Suite) -> dict[str, str]:
    from polymart.config import Settings
    from polymart.data.sources import suite_data_version
    from polymart.version import code_version

    return {
        "suite": suite.to_json(),
        "data_version": suite_data_version(suite, Settings()),
        "code_version": code_version(),
    }


def _pairs(arguments: list[str]) -> dict[str, str]:
    wrong = [argument for argument in arguments if "=" not in argument]
    if wrong:
        raise typer.BadParameter(f"must be name=value, found {wrong[0]!r}")
    return dict(argument.split("=", 1) for argument in arguments)
