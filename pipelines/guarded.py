"""A pipeline as a cluster runs it: inside an exit handler that reports how the run ended."""

import inspect
from typing import Any

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.report_run.component import report_run
from pipelines.tasks import configure
from polymart.config import Cluster


def guarded(name: str, pipeline: GraphComponent, cluster: Cluster) -> GraphComponent:
    """``pipeline`` with the same name and parameters, followed by `report_run` whatever happens in it.

    kfp lets nothing out of an exit handler, so the result has no outputs: a cluster shows those of the steps, and a
    local run, which needs them, takes ``pipeline`` itself.
    """

    inner = inspect.signature(pipeline.pipeline_func)

    def run(*values: Any) -> None:
        arguments = dict(zip(inner.parameters, values, strict=True))
        last = report_run(
            pipeline=name,
            suite=arguments["suite"],
            run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
            page=cluster.page or cluster.host,
        )
        # How a run ended is never read from a cache.
        with dsl.ExitHandler(configure(last, cluster, retry=True).set_caching_options(False), name="work"):
            pipeline(**arguments)

    run.__signature__ = inner.replace(return_annotation=inspect.Signature.empty)  # type: ignore[attr-defined]
    run.__doc__ = pipeline.pipeline_func.__doc__
    return dsl.pipeline(name=pipeline.name, description=pipeline.description)(run)
