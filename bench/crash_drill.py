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
from typing import NamedTuple

from rich.progress import track

from bench import claim, machine
from bench._audited import fork, hook, wait
from bench._crash_world import make_world, one_pass, short_pass
from monitoring.ledger import Ledger, decisions
from polymart.files import digest_file, digest_text, write_json

RESULTS = Path(__file__).parent / "results" / "crash_drill.json"
RANDOM_KILLS = 40
AT_ONCE = 4
"""Passes that race."""
Work = Callable[[Path], None]


class Outcome(NamedTuple):
    """What a pass leaves behind."""

    reports: str
    """Digest of every file. What a killed process had begun under a hidden name stays behind and is no part of it."""
    decisions: str
    """Digest of the ledger's decisions."""
    retrainings: int
    """How many were started."""

    def differences(self, other: Outcome) -> list[str]:
        """Names of what is not the same."""
        return [name for name, mine, theirs in zip(self._fields, self, other, strict=True) if mine != theirs]


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
    wait(fork(lambda: make_world(template)))
    steps, wanted = _clean(work, template, scratch)
    killed = {
        f"{place}: {step}": _killed_at(place, work, template, scratch).differences(wanted)
        for place, step in track(list(enumerate(steps)), "kills at steps")
    }
    _tell("kills at steps after which the next pass ends as if nothing had happened", killed)
    raced = _raced(work, template, scratch).differences(wanted)
    _tell(f"{AT_ONCE} passes at once leave what one leaves", {"the race": raced})
    if small:
        return
    at_random = {
        f"{number}: {at:.2f} s": found.differences(wanted)
        for number, (at, found) in enumerate(_killed_at_random(template, scratch))
    }
    _tell("kills at random times of the same", at_random)
    write_json(RESULTS, {"machine": machine(), "steps": killed, "random": at_random})


def _tell(text: str, outcomes: dict[str, list[str]]) -> None:
    for name, different in outcomes.items():
        if different:
            print(f"  {', '.join(different)} differ after {name}", flush=True)
    good = sum(not different for different in outcomes.values())
    claim(text, good, f"{len(outcomes)}", good == len(outcomes), len(outcomes))


def _clean(work: Work, template: Path, scratch: Path) -> tuple[list[str], Outcome]:
    """The steps of an undisturbed pass, and what it leaves."""
    folder, log = _copy(template, scratch), scratch / "steps.txt"
    with log.open("w") as handle:
        wait(fork(lambda: work(folder), hook(folder, lambda number, step: print(step, file=handle, flush=True))))
    return log.read_text().splitlines(), _outcome(folder)


def _killed_at(place: int, work: Work, template: Path, scratch: Path) -> Outcome:
    folder = _copy(template, scratch)

    def die(number: int, _step: str) -> None:
        if number == place:
            os.kill(os.getpid(), signal.SIGKILL)

    if wait(fork(lambda: work(folder), hook(folder, die))) != -signal.SIGKILL:
        raise RuntimeError(f"the pass had fewer than {place + 1} steps: it does not repeat itself")
    wait(fork(lambda: work(folder)))
    return _outcome(folder)


def _raced(work: Work, template: Path, scratch: Path) -> Outcome:
    folder = _copy(template, scratch)
    for pid in [fork(lambda: work(folder)) for _ in range(AT_ONCE)]:
        wait(pid)
    return _outcome(folder)


def _killed_at_random(template: Path, scratch: Path) -> list[tuple[float, Outcome]]:
    command = [sys.executable, "-m", "bench.crash_drill", "--only-pass"]
    folder, started = _copy(template, scratch), time.monotonic()
    subprocess.run([*command, folder], check=True)
    usual_s, chance = time.monotonic() - started, random.Random(0)
    found = []
    for _ in track(range(RANDOM_KILLS), "kills at random times"):
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
    report = folder / "report"
    files = [path for path in sorted(report.rglob("*")) if path.is_file() and "/." not in str(path.relative_to(folder))]
    told = "\n".join(entry.model_dump_json() for entry in decisions(Ledger(folder / "store").entries()))
    written = "\n".join(f"{path.relative_to(report)} {digest_file(path)}" for path in files)
    return Outcome(digest_text(written), digest_text(told), len(list((folder / "runs").glob("*"))))


if __name__ == "__main__":
    main()
