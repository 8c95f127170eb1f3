"""Pipelines and their versions on the server."""

from __future__ import annotations

from dataclasses import dataclass

import kfp_server_api as api

from pipelines.client.orders import Order, named
from pipelines.client.server import Server
from pipelines.compiling import version_name
from polymart.errors import PolymartError


@dataclass(frozen=True)
class Version:
    """A version of a pipeline on the server."""

    pipeline_id: str
    version_id: str
    name: str
    url: str
    new: bool


def upload(server: Server, order: Order) -> Version:
    """Put a compiled pipeline on the server, as a version named after its content: a second upload changes nothing."""
    name = f"polymart-{order.pipeline}"
    version = version_name(order.pipeline, order.package.read_text())
    server.check()
    pipeline_id = _find_pipeline(server, name)
    if not pipeline_id:
        body = api.V2beta1Pipeline(name=name, display_name=name, namespace=server.namespace)
        try:
            pipeline_id = server.ask(server.pipelines.pipeline_service_create_pipeline, body).pipeline_id
        except PolymartError:
            # Names are unique: a repeated request is refused, and what was to be made is there.
            if not (pipeline_id := _find_pipeline(server, name)):
                raise
    known, new = _find_version(server, pipeline_id, version), False
    if not known:
        try:
            sent = server.ask(
                server.uploads.upload_pipeline_version, str(order.package), name=version, pipelineid=pipeline_id
            )
            known, new = sent.pipeline_version_id, True
        except PolymartError:
            if not (known := _find_version(server, pipeline_id, version)):
                raise
    url = f"{server.page}/#/pipelines/details/{pipeline_id}/version/{known}"
    return Version(pipeline_id, known, version, url, new)


def _find_pipeline(server: Server, name: str) -> str | None:
    listed = server.pipelines.pipeline_service_list_pipelines
    found = server.every(listed, "pipelines", filter=named("display_name", name), namespace=server.namespace)
    return next((item.pipeline_id for item in found), None)


def _find_version(server: Server, pipeline_id: str, name: str) -> str | None:
    listed = server.pipelines.pipeline_service_list_pipeline_versions
    found = server.every(listed, "pipeline_versions", pipeline_id, filter=named("display_name", name))
    return next((item.pipeline_version_id for item in found), None)
