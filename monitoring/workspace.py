"""A local workspace of Evidently, for depth: a project a suite and task, a run a window."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

from monitoring.report.found import find_reports
from monitoring.schema import TaskReport, WindowReport
from monitoring.snapshot import window_snapshot
from polymart.errors import MonitoringError
from polymart.files import atomic_folder

WORKSPACE = "monitoring/evidently-workspace"
"""Below a work folder."""


def fill_workspace(work: Path) -> tuple[Path, int]:
    """Write the workspace anew from every report below ``work``.

    Returns:
        Its folder, and the number of windows in it.

    Raises:
        MonitoringError: there is no window that could be judged.
        StorageError: the folder cannot be written.
    """
    windows = _windows(work)
    if not windows:
        raise MonitoringError(
            f"{work} must hold a report with a judged window, found none", remedy="run: polymart monitor"
        )
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently.ui.workspace import Workspace  # lazily: the import takes four seconds

    with atomic_folder(work / WORKSPACE) as folder:
        workspace = Workspace.create(str(folder))
        for (suite, task), found in windows.items():
            project = workspace.create_project(f"{suite}: {task}", description="Drift windows of Polymart")
            for window in found:
                name = f"{window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}"
                workspace.add_run(project.id, window_snapshot(window), name=name)
    return work / WORKSPACE, sum(map(len, windows.values()))


def open_ui(folder: Path, port: int) -> None:
    """Become Evidently's own server over the workspace; ends with Ctrl-C."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    program = Path(sys.executable).with_name("evidently")
    os.execv(program, [str(program), "ui", "--workspace", str(folder), "--port", str(port)])  # noqa: S606


def _windows(work: Path) -> dict[tuple[str, str], list[WindowReport]]:
    """Judged windows of each suite and task, oldest first, each as the newest report saw it."""
    seen: dict[tuple[str, str], dict[datetime, WindowReport]] = {}
    for one in find_reports(work).found:
        for task in one.report.tasks:
            seen.setdefault((one.report.suite, task.name), {}).update(_judged(task))
    return {key: [windows[start] for start in sorted(windows)] for key, windows in seen.items() if windows}


def _judged(task: TaskReport) -> dict[datetime, WindowReport]:
    return {window.start: window for window in task.windows if window.judged}
