"""What a person sees while a pipeline runs: one row per step with its rate and time left, or plain lines in a log."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from polymart.cli.console import console, is_plain

if TYPE_CHECKING:
    from rich.progress import TaskID

    from pipelines.local import Event

MARKS = {"done": "[green]✓[/]", "cached": "[cyan]=[/]", "failed": "[red]✗[/]"}
PLAIN_MARKS = {"done": "done", "cached": "unchanged, reused", "failed": "FAILED"}


class StepView:
    """Listens to the events of `pipelines.local.run_local`; use as a context manager."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        """Wall-clock seconds of each finished step; 0 for a reused one."""
        self.states: dict[str, str] = {}
        self._started: dict[str, float] = {}
        self._view = _PlainView() if is_plain() else _BarView()

    def __enter__(self) -> StepView:
        self._view.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._view.stop()

    def __call__(self, event: Event) -> None:
        """Take one event; an importer only passes on where a file lies, so it is no step to a reader."""
        if event.step.startswith("importer"):
            return
        if event.state == "started":
            self._started[event.step] = time.monotonic()
            self._view.begin(event.step)
        elif event.state == "progress":
            self._view.advance(event)
        elif event.state == "warning":
            console(stderr=True).print(f"warning: {event.note}", markup=False, soft_wrap=True)
        else:
            self.states[event.step] = event.state
            elapsed = time.monotonic() - self._started.get(event.step, time.monotonic())
            self.seconds[event.step] = elapsed
            self._view.end(event.step, event.state, elapsed)


class _PlainView:
    def start(self) -> None: ...

    def stop(self) -> None: ...

    def begin(self, step: str) -> None:
        self._say(f"{step}: started")
        self._began, self._part, self._base = time.monotonic(), "", 0

    def advance(self, event: Event) -> None:
        if event.unit != self._part:
            self._part, self._base, self._began = event.unit, 0, time.monotonic()
        elapsed = max(time.monotonic() - self._began, 1e-3)
        rate = event.done / elapsed
        left = f", {(event.total - event.done) / rate:.0f} s left" if rate > 0 else ""
        self._say(f"{event.step}: {event.done}/{event.total} {event.unit} ({rate:.1f}/s{left}) {event.note}".rstrip())

    def end(self, step: str, state: str, elapsed: float) -> None:
        self._say(f"{step}: {PLAIN_MARKS[state]}" + (f" in {elapsed:.1f} s" if state != "cached" else ""))

    def _say(self, line: str) -> None:
        console(stderr=True).print(line, markup=False)


class _BarView:
    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self.progress = Progress(
            TextColumn("{task.fields[mark]} {task.description:<22}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[detail]:<34}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console(stderr=True),
        )
        self.rows: dict[str, TaskID] = {}
        self.units: dict[str, str] = {}

    def start(self) -> None:
        self.progress.start()

    def stop(self) -> None:
        self.progress.stop()

    def begin(self, step: str) -> None:
        self.rows[step] = self.progress.add_task(step, total=None, mark=" ", detail="")

    def advance(self, event: Event) -> None:
        row = self.rows[event.step]
        if self.units.get(event.step) != event.unit:
            self.units[event.step] = event.unit
            self.progress.reset(row, total=event.total)
        self.progress.update(row, completed=event.done, total=event.total)
        speed = self.progress.tasks[row].speed
        rate = f" {speed:.0f}/s" if speed else ""
        self.progress.update(row, detail=f"{event.done}/{event.total} {event.unit}{rate}")

    def end(self, step: str, state: str, elapsed: float) -> None:
        row = self.rows.get(step)
        if row is None:
            row = self.progress.add_task(step, total=1, mark=" ", detail="")
        detail = "unchanged, reused" if state == "cached" else f"{elapsed:.1f} s"
        self.progress.update(row, completed=1, total=1, mark=MARKS[state], detail=detail)
        self.progress.stop_task(row)
