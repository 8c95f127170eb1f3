import re
from base64 import b64decode
from dataclasses import asdict
from html.parser import HTMLParser

import pytest
from fixtures.tiny_suite import tiny_suite

from polymart.evaluation.page import render_page
from polymart.evaluation.records import Evaluation, Score, TaskEvaluation
from polymart.gates import judge
from polymart.training.log import CURVES, TrainingLog
from polymart.training.plots import plot_training

HOSTILE = "<script>alert('x')</script> & \"quoted\""
TINY = tiny_suite("mood", "reply")
SUITE = TINY.model_copy(update={"description": HOSTILE, "gates": TINY.gates.model_copy(update={"leakage": False})})
VOID = {"meta", "br", "link", "img", "hr", "input"}


def evaluation(num: int = 500, bound: float = 0.1) -> Evaluation:
    score, floor = Score(value=0.8, low=0.7, high=0.9), Score(value=0.5, low=0.4, high=0.6)
    tasks = [
        TaskEvaluation(
            task=name,
            kind="binary",
            metric="roc_auc",
            greater_is_better=True,
            score=score,
            floor="majority",
            floor_score=floor,
            gain=Score(value=0.3, low=0.1, high=0.4),
            gain_lower_bound=bound,
            baseline=HOSTILE if name == "mood" else None,
            baseline_score=floor if name == "mood" else None,
            num_examples=num,
            num_clusters=40,
            data_origin="real",
        )
        for name in ("mood", "reply")
    ]
    return Evaluation(
        suite="tiny", checkpoint="sha256:0", confidence=0.95, resamples=200, tasks=tasks, skipped={"intent": HOSTILE}
    )


def page(steps: int = 40, **changes) -> str:
    found = evaluation(**changes)
    log = {
        "loss": [{"step": i, "mood": 1 / i, "reply": 1.0} for i in range(1, steps + 1)],
        "validation": [{"step": steps, "mood": 0.4, "reply": 0.9, "mean": 0.65}],
        "best_step": steps,
        "precision": "float32",
        "examples_per_s": 120.4,
        "seconds": 3.2,
        "stopped_early": True,
    }
    return render_page(
        SUITE,
        found,
        judge(found, SUITE),
        log=log,
        tables={"rules": [{"table": HOSTILE, "rule": HOSTILE, "rows_before": 1200, "rows_after": 1000}]},
        facts={HOSTILE: HOSTILE},
        steps={"train": ("done", 12.0), "prepare": ("cached", 0.0)},
        release="r-1",
        drift={"href": 'drift.html" onclick="x', "action": "wait"},
    )


class Balanced(HTMLParser):
    """Collects tags and attributes, and checks that every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.seen, self.attributes, self.text = [], set(), [], []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parsed(html: str) -> Balanced:
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    return parser


def test_names_are_shown_as_text():
    html = page()
    found = parsed(html)
    assert "script" not in found.seen
    assert "".join(found.text).count(HOSTILE) >= 5
    assert not any(name.startswith("on") for name, _ in found.attributes)
    assert ("href", 'drift.html" onclick="x') in found.attributes


def test_the_page_stands_alone_and_is_small():
    html = page(steps=2000)
    assert not re.search(r"https?://|//[a-z]|@import|url\(", html)
    assert {value for name, value in parsed(html).attributes if name in ("href", "src")} == {'drift.html" onclick="x'}
    assert len(html.encode()) < 200_000


@pytest.mark.parametrize(
    ("changes", "outcome"), [({}, "pass"), ({"num": 3}, "inconclusive"), ({"bound": float("nan")}, "inconclusive")]
)
def test_the_outcome_stands_in_the_title(changes, outcome):
    html = page(**changes)
    assert f"<title>tiny: {outcome}</title>" in html
    assert f'<td class="{outcome}">{outcome}</td>' in html


def test_curves_and_bars_stay_inside_their_frames():
    html = page()
    points = [
        tuple(map(float, point.split(","))) for line in re.findall(r'points="([^"]*)"', html) for point in line.split()
    ]
    assert len(points) > 40
    assert all(0 <= x <= 320 and 0 <= y <= 120 for x, y in points)
    assert all(0 <= float(place) <= 100 for place in re.findall(r"(?:left|width):([\d.]+)%", html))


def test_a_run_without_release_names_the_shut_gates():
    found = evaluation(num=3)
    html = render_page(
        SUITE,
        found,
        judge(found, SUITE),
        log={
            "loss": [],
            "validation": [],
            "best_step": 0,
            "precision": "float32",
            "examples_per_s": 0.0,
            "seconds": 0.0,
            "stopped_early": False,
        },
        tables={"rules": []},
        facts={},
        steps={},
    )
    text = " ".join("".join(parsed(html).text).split())
    assert "Not released. mood: inconclusive, reply: inconclusive." in text


def test_the_plot_of_the_training_stands_in_the_page_itself(tmp_path):
    assert "<img" not in page()
    found = evaluation()
    log = TrainingLog(best_step=2)
    names = [f"task_{i}" for i in range(14)]
    for step in range(1, 601):
        log.loss.append({"step": step, **{name: 1 / step + i / 9 for i, name in enumerate(names)}})
    for step in range(50, 601, 50):
        log.validation.append({"step": step, "mean": 0.5, **{name: i / 9 + 1 / step for i, name in enumerate(names)}})
        for curve in CURVES:
            log.add(curve, step, {"task_0/task_1": 0.1} if curve == "conflict" else dict.fromkeys(names, step / 600))
    plot_training(log, tmp_path / "plot.png")
    content = (tmp_path / "plot.png").read_bytes()
    html = render_page(
        SUITE, found, judge(found, SUITE), log=asdict(log), tables={"rules": []}, facts={}, steps={}, plot=content
    )
    (encoded,) = re.findall(r'<img src="data:image/png;base64,([A-Za-z0-9+/=]+)" alt="[^"]+">', html)
    assert b64decode(encoded) == content
    assert len(html) < 2_000_000
