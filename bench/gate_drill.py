"""Forty bad candidates of eight kinds and forty good ones: does the gate let the right ones through?

Each is judged as in a run, by `evaluate_suite` and `judge` against a champion that is one more good candidate. The
gates stand in suites/drill.yaml with their reasons; no threshold is tuned on the candidates. The encoder is frozen and
texts are encoded once, so that a candidate is made in seconds; `bench._candidates` and `bench._damaged` say how each
kind goes wrong.

A slow model is judged by the answers of the model itself, measured one at a time; starting a bento for every
candidate would take longer than all the rest. So run it on a machine that does nothing else: answers that wait for
the processor make a good model late.

Judged candidates are kept under ``<work>/bench/gate_drill``, and the same command goes on with the next. The full
form writes bench/results/gate_drill.json; ``--small`` makes one candidate of each kind and two good ones.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bench import claim, machine
from bench._candidates import Candidate, Shop, good, leaked, regressed, shuffled, stale
from bench._damaged import label_map, not_finite, slow, torn
from bench._examples import examples_of
from polymart.config import Settings, load_suite
from polymart.evaluation.evaluate import evaluate_suite
from polymart.evaluation.rivals import Champion
from polymart.files import read_json, write_json
from polymart.gates import explain, judge
from polymart.training.loop import training_key

DRILL = Path(__file__).parents[1] / "suites" / "drill.yaml"
RESULTS = Path(__file__).parent / "results" / "gate_drill.json"
EACH, GOOD = 5, 40
"""Candidates of each bad kind, and good ones."""
BAD: dict[str, Callable[[Shop, int, int, Path], Candidate]] = {
    make.__name__: make for make in (shuffled, regressed, leaked, stale, not_finite, label_map, slow, torn)
}
"""Every way of going wrong: (shop, seed, number, own folder) -> candidate."""


def main() -> None:
    """Judge what is missing, print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    suite = load_suite(DRILL)
    examples, encoder = examples_of(suite)
    key = training_key(examples, suite).removeprefix("sha256:")[:12]
    shop = Shop(examples.parent / "tables", examples, encoder, suite, Settings().work_dir / "bench/gate_drill" / key)
    found = drill(shop, 1, 2) if small else drill(shop, EACH, GOOD)
    rates = claims(found)
    if not small:
        write_json(RESULTS, {"machine": machine(), "suite": suite.digest, **rates, "candidates": found})


def drill(shop: Shop, each: int, good_ones: int) -> list[dict[str, Any]]:
    """Make and judge every candidate that was not judged before.

    Args:
        shop: what they are made from.
        each: candidates of each bad kind.
        good_ones: good candidates.

    Returns:
        Of each its ``kind``, ``number``, ``overall`` verdict, whether the right cause is ``named``, every ``cause``
        that was given, and the ``seconds`` it took.
    """
    found = [judged(shop, "good", number) for number in range(good_ones)]
    return found + [judged(shop, kind, number) for kind in BAD for number in range(each)]


def judged(shop: Shop, kind: str, number: int) -> dict[str, Any]:
    """Make one candidate and judge it; only the verdict is kept."""
    kept = shop.work / f"{kind}-{number}.json"
    if kept.is_file():
        return read_json(kept)
    champion, started = Champion("drill-champion", shop.champion), time.monotonic()
    seed = 100 * (1 + list(BAD).index(kind)) + number if kind in BAD else number
    with tempfile.TemporaryDirectory(dir=shop.work) as name:
        folder = Path(name)
        candidate = {**BAD, "good": good}[kind](shop, seed, number, folder)
        evaluation = evaluate_suite(
            candidate.examples, candidate.checkpoint, candidate.suite, folder / "predictions", champion=champion,
            kept=shop.work / "kept",
        )  # fmt: skip
    verdict = judge(evaluation, candidate.suite)
    found: dict[str, Any] = {
        "kind": kind,
        "number": number,
        "overall": verdict.overall,
        "named": candidate.cause.named(verdict) if candidate.cause else verdict.passed,
        "causes": [line.replace(name, "<candidate>") for line in explain(verdict)],
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(kept, found)
    print(json.dumps({name: found[name] for name in ("kind", "number", "overall", "named", "seconds")}), flush=True)
    for line in found["causes"]:
        print(f"  {line}", flush=True)
    return found


def claims(found: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Print the claims; the rates that they are about."""
    found = list(found)
    bad, fine = ([one for one in found if (one["kind"] == "good") == is_good] for is_good in (False, True))
    caught, blocked = ([one for one in part if one["overall"] != "pass"] for part in (bad, fine))
    named = sum(one["named"] for one in bad)
    minutes = sum(one["seconds"] for one in found) / 60
    least, most = len(bad) - len(bad) // 40, len(fine) // 20
    claim("bad candidates caught", len(caught), f">= {least} of {len(bad)}", len(caught) >= least, len(bad))
    claim("good candidates blocked", len(blocked), f"<= {most} of {len(fine)}", len(blocked) <= most, len(fine))
    claim("bad candidates whose verdict names the right cause", named, f"{len(bad)}", named == len(bad), len(bad))
    claim("minutes for all candidates", minutes, "< 30", minutes < 30, len(found))
    return {
        "caught": len(caught),
        "bad": len(bad),
        "blocked": len(blocked),
        "good": len(fine),
        "named": named,
        "minutes": minutes,
    }


if __name__ == "__main__":
    main()
