"""A monitoring pass is killed with -9 at every step, then run again: same reports, same decisions, one retraining.

The pass is that of ``polymart monitor --retrain``: it catches up three windows, decides, writes the reports and the
ledger, and starts a retraining. Nothing in the product knows of the drill: the process that runs the pass hears of
its own file operations through Python's audit events and kills itself right before the one that is due. Then a fresh
process is killed from outside at random times. ``--small`` leaves that out, and compares the tables once for all
passes. The full form writes bench/results/crash_drill.json.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import claim, machine
from bench._crash_world import make_world, one_pass, short_pass
from monitoring.ledger import Ledger, decisions
from polymart.files import digest_file, digest_text, write_json

RESULTS = Path(__file__).parent / "results" / "crash_drill.json"
WATCHED = ("open", "os.rename", "os.mkdir", "os.remove", "os.truncate", "fcntl.flock")
"""Audit events that change files or take a lock."""
RANDOM_KILLS = 40
Work = Callable[[Path], None]
Outcome = tuple[str, str, int]


def main() -> None:
    """Kill, run again, compare, print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only-pass", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only_pass:
        one_pass(given.only_pass)
        return
    with tempfile.TemporaryDirectory(prefix="polymart-crash-") as name:
        drill(Path(name), small=given.small)


def drill(scratch: Path, *, small: bool) -> None:
    """All kills over copies of one world."""
    template, work = scratch / "template", short_pass if small else one_pass
    template.mkdir()
    _in_child(lambda: make_world(template))
    steps, wanted = _clean(work, template, scratch)
    killed = {
        f"{place}: {step}": _killed_at(place, work, template, scratch) == wanted for place, step in enumerate(steps)
    }
    _tell("kills at steps after which the next pass ends as if nothing had happened", killed)
    if small:
        return
    at_random = {f"{at:.2f} s": found == wanted for at, found in _killed_at_random(template, scratch)}
    _tell("kills at random times of the same", at_random)
    write_json(RESULTS, {"machine": machine(), "steps": killed, "random": at_random})


def _tell(text: str, outcomes: dict[str, bool]) -> None:
    for name in (name for name, same in outcomes.items() if not same):
        print(f"  differs after a kill at {name}", flush=True)
    good = sum(outcomes.values())
    claim(text, good, f"{len(outcomes)}", good == len(outcomes), len(outcomes))


def _clean(work: Work, template: Path, scratch: Path) -> tuple[list[str], Outcome]:
    """The steps of an undisturbed pass, and what it leaves."""
    folder, log = _copy(template, scratch), scratch / "steps.txt"
    with log.open("w") as handle:
        _in_child(lambda: work(folder), _hook(folder, lambda number, step: print(step, file=handle, flush=True)))
    return log.read_text().splitlines(), _outcome(folder)


def _killed_at(place: int, work: Work, template: Path, scratch: Path) -> Outcome:
    folder = _copy(template, scratch)

    def die(number: int, _step: str) -> None:
        if number == place:
            os.kill(os.getpid(), signal.SIGKILL)

    if _in_child(lambda: work(folder), _hook(folder, die)) != -signal.SIGKILL:
        raise RuntimeError(f"the pass had fewer than {place + 1} steps: it does not repeat itself")
    _in_child(lambda: work(folder))
    return _outcome(folder)


def _killed_at_random(template: Path, scratch: Path) -> list[tuple[float, Outcome]]:
    command = [sys.executable, "-m", "bench.crash_drill", "--only-pass"]
    folder, started = _copy(template, scratch), time.monotonic()
    subprocess.run([*command, folder], check=True)
    usual_s, chance = time.monotonic() - started, random.Random(0)
    found = []
    for _ in range(RANDOM_KILLS):
        folder, at = _copy(template, scratch), chance.uniform(0, usual_s)
        process = subprocess.Popen([*command, folder])
        try:
            process.wait(at)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        subprocess.run([*command, folder], check=True)
        found.append((at, _outcome(folder)))
    return found


def _copy(template: Path, scratch: Path) -> Path:
    folder = scratch / "world"
    shutil.rmtree(folder, ignore_errors=True)
    return Path(shutil.copytree(template, folder))


def _outcome(folder: Path) -> Outcome:
    """Digest of the reports, digest of the decisions in the ledger, number of retrainings that were started.

    What a killed process had begun to write stays behind under a hidden name and is no part of the reports.
    """
    report = folder / "report"
    files = sorted(
        path
        for path in report.rglob("*")
        if path.is_file() and not any(p[0] == "." for p in path.relative_to(report).parts)
    )
    told = "\n".join(entry.model_dump_json() for entry in decisions(Ledger(folder / "store").entries()))
    written = "\n".join(f"{path.relative_to(report)} {digest_file(path)}" for path in files)
    return digest_text(written), digest_text(told), len(list((folder / "runs").glob("*")))


def _hook(folder: Path, listen: Callable[[int, str], None]) -> Callable[[], None]:
    """What a child installs to hear of its own steps below ``folder``: their number and their name."""

    def install() -> None:
        number = 0

        def hear(event: str, given: tuple[object, ...]) -> None:
            nonlocal number
            if event in WATCHED and (step := _step(event, given, folder)):
                number, now = number + 1, number
                listen(now, step)

        sys.addaudithook(hear)

    return install


def _step(event: str, given: tuple[object, ...], folder: Path) -> str:
    """Name of a step: the event and the file, without what is random in a temporary name; empty where it reads."""
    if event == "fcntl.flock":
        return event
    path, flags = str(given[0]), given[2] if event == "open" else os.O_WRONLY
    if not path.startswith(str(folder)) or not (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
        return ""
    name = Path(path).name
    if name.endswith((".partial", ".old")):
        name = ".".join(name.split(".")[1:-2]) + " (temporary)"
    return f"{event} {name}"


def _in_child(work: Callable[[], None], prepare: Callable[[], None] | None = None) -> int:
    """Run ``work`` in a forked process; its exit status, negative for a signal.

    Raises:
        RuntimeError: it failed.
    """
    pid = os.fork()
    if pid == 0:
        try:
            if prepare:
                prepare()
            work()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status > 0:
        raise RuntimeError("a pass failed; its error stands above")
    return status


if __name__ == "__main__":
    main()
