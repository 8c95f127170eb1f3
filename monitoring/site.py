"""A small read-only site: the history page, the reports and ``/metrics``."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from monitoring.metrics import exposition
from monitoring.report.history import HISTORY, render_history


def make_site(work: Path) -> Starlette:
    """The site of a work folder; every page is made or read when it is asked for."""

    def history(_: Request) -> Response:
        return HTMLResponse(render_history(work))

    def numbers(_: Request) -> Response:
        return Response(exposition(work), media_type=CONTENT_TYPE_LATEST)

    def start(_: Request) -> Response:
        return RedirectResponse(f"/{HISTORY}")

    return Starlette(
        routes=[
            Route("/", start),
            Route(f"/{HISTORY}", history),
            Route("/metrics", numbers),
            Mount("/", _Pages(directory=work, check_dir=False)),
        ]
    )


class _Pages(StaticFiles):
    """Reports and nothing else: the work folder holds models and predictions, too."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        parts = Path(path).parts
        if Path(path).suffix not in (".html", ".json") or not {"monitoring", "drift"} & set(parts[:-1]):
            raise HTTPException(404)
        return await super().get_response(path, scope)
