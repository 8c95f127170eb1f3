"""Two hundred promotions by four writers that are killed at random: is one lost? And how fast is a rollback?

Four processes promote to one environment of one real bare repository. Writers are killed with SIGKILL at random points
of a promotion and started again; a promotion that was cut off is not repeated. Then every commit is read: whoever was
told that a promotion is done finds it in history, a promotion that was cut off is there as a whole or not at all, and
history is a line. ``git daemon`` serves the repository, so that, as with every remote, a kill takes the client and not
the server; every second kill takes Python alone and leaves its git command running.

A rollback is timed as a person waits for it: ``polymart rollback`` on the command line, imports included, in the
repository that the drill left behind, from the command to the commit and to the prompt. Run it on an idle machine.

The full form writes bench/results/release_drill.json.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench import claim, machine
from bench._history import Found, read_repository
from bench._promoting import ENVIRONMENT
from polymart.config import Settings
from polymart.files import write_json
from polymart.release.repository import ensure_repository
from polymart.release.signing import new_pair, trusted_keys
from serving.server import free_port

RESULTS = Path(__file__).parent / "results" / "release_drill.json"
WRITERS = 4
PATIENCE_S = 1800


def main() -> None:
    """Promote, kill, check, roll back, print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    promotions, kills, rollbacks = (16, 4, 3) if small else (200, 60, 15)
    with tempfile.TemporaryDirectory(prefix="polymart-drill-") as scratch:
        folder, journals = Path(scratch), Path(scratch, "journals")
        journals.mkdir()
        _keys(folder)
        repository = folder / "deployment.git"
        ensure_repository(str(repository))
        with _served(repository) as address:
            killed = _promote(address, journals, promotions // WRITERS, kills)
        found = read_repository(repository, journals, trusted_keys(Settings()))
        times = [_rollback(repository) for _ in range(rollbacks)]
    commit_s, prompt_s = (statistics.median(column) for column in zip(*times, strict=True))
    _claims(found, killed, commit_s, prompt_s, rollbacks)
    if not small:
        told = {"seconds_to_commit": [t[0] for t in times], "seconds_to_prompt": [t[1] for t in times]}
        write_json(RESULTS, {"machine": machine(), "killed": killed, **found.counts, **told})


def _keys(folder: Path) -> None:
    """A pair of keys for this drill, by the settings that a user would make."""
    for name, content in zip(("key", "pub"), new_pair(), strict=True):
        (folder / f"release.{name}").write_bytes(content)
    os.environ["POLYMART_SIGNING_KEY_FILE"] = str(folder / "release.key")
    os.environ["POLYMART_RELEASE_KEYS"] = str(folder / "release.pub")
    os.environ["POLYMART_WORK_DIR"] = str(folder / "work")
    os.environ["TMPDIR"] = str(folder)  # what killed writers leave behind goes with the drill


@contextmanager
def _served(repository: Path) -> Iterator[str]:
    port = free_port()
    command = ["git", "daemon", "--export-all", "--enable=receive-pack", "--listen=127.0.0.1", f"--port={port}",
               "--reuseaddr", f"--base-path={repository.parent}", str(repository)]  # fmt: skip
    server = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"git://127.0.0.1:{port}/{repository.name}"
    try:
        while subprocess.run(["git", "ls-remote", address], capture_output=True, check=False).returncode:
            assert server.poll() is None, "git daemon ended; is it installed?"
            time.sleep(0.1)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _promote(address: str, journals: Path, quota: int, kills: int) -> int:
    """Run the writers to the end of their quotas; returns how many promotions were cut off by a kill."""
    chance, deadline, killed = random.Random(7), time.monotonic() + PATIENCE_S, 0
    writers = {name: _start(address, journals / name, quota) for name in (f"writer-{n}" for n in range(WRITERS))}
    while any(writer.poll() is None for writer in writers.values()):
        assert time.monotonic() < deadline, f"the writers did not end within {PATIENCE_S} s"
        failed = [name for name, writer in writers.items() if writer.poll() not in (None, 0)]
        assert not failed, f"{failed} failed; see its words above"
        running = [name for name, writer in writers.items() if writer.poll() is None]
        if killed == kills or not running:
            time.sleep(0.05)
            continue
        name = chance.choice(running)
        if _kill_within(writers[name], journals / name, chance, group=bool(killed % 2)):
            killed += 1
            writers[name] = _start(address, journals / name, quota)
    return killed


def _start(address: str, journal: Path, quota: int) -> subprocess.Popen[bytes]:
    journal.touch()
    command = [sys.executable, "-m", "bench._promoting", address, str(journal), str(quota)]
    return subprocess.Popen(command, start_new_session=True)


def _kill_within(writer: subprocess.Popen[bytes], journal: Path, chance: random.Random, *, group: bool) -> bool:
    """Kill a writer some random time after its next promotion began; False where that one was done before."""
    before = _begun(journal)
    while _begun(journal) == before:
        if writer.poll() is not None:
            return False
        time.sleep(0.002)
    took = [float(line.split()[3]) for line in journal.read_text().splitlines() if line.startswith("done")]
    time.sleep(chance.uniform(0, statistics.median(took or [0.5])))  # so that kills hit the push, too
    if not journal.read_text().splitlines()[-1].startswith("begins"):
        return False
    with suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(writer.pid, signal.SIGKILL)
    return writer.wait() == -signal.SIGKILL


def _begun(journal: Path) -> int:
    return journal.read_text().count("begins")


def _rollback(repository: Path) -> tuple[float, float]:
    """Seconds of one ``polymart rollback`` to the commit, and to the prompt."""
    head = repository / "refs" / "heads" / "main"
    before = head.read_text()
    command = [str(Path(sys.executable).with_name("polymart")), "rollback", "--environment", ENVIRONMENT,
               "--repository", str(repository)]  # fmt: skip
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while head.read_text() == before:
        assert process.poll() in (None, 0), "the rollback failed; see its words above"
        time.sleep(0.001)
    committed = time.perf_counter() - begun
    assert process.wait() == 0, "the rollback failed; see its words above"
    return committed, time.perf_counter() - begun


def _claims(found: Found, killed: int, commit_s: float, prompt_s: float, rollbacks: int) -> None:
    told, cut = len(found.told), len(found.cut_off)
    claim("promotions cut off by kill -9", killed, "some", killed > 0, killed + told)
    claim("acknowledged promotions that history lacks", len(found.lost), "0", not found.lost, told)
    claim(
        "cut-off promotions that are in history as a whole", len(found.landed), f"<= {cut}, the rest absent", True, cut
    )
    claim("commits or leftovers that are half a promotion", len(found.halves), "0", not found.halves, told + cut)
    claim("commits off the line", len(found.off_line), "0", not found.off_line, len(found.commits))
    claim("seconds from rollback command to commit, median", commit_s, "< 2", commit_s < 2, rollbacks)
    claim("seconds from rollback command to prompt, median", prompt_s, "< 2", prompt_s < 2, rollbacks)


if __name__ == "__main__":
    main()
