"""The benchmark of one model against many, on a tiny shop: what it counts, compares and keeps."""

import json

import numpy as np
import pytest
from fixtures.tiny_encoder import write_tiny_encoder
from fixtures.tiny_suite import tiny_suite, write_tiny_examples

from bench import one_vs_many
from bench.one_vs_many import report, run_seeds
from polymart.training import loop


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    write_tiny_encoder(folder / "encoder")
    write_tiny_examples(folder / "examples")
    return folder


@pytest.fixture
def runs(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("POLYMART_WORK_DIR", str(tmp_path))
    monkeypatch.setattr(loop, "code_version", lambda: "sha256:this")  # nobody's edit meanwhile counts
    suite = tiny_suite("reply", "mood", max_steps=30, evaluate_every=10)
    return suite, lambda: run_seeds(suite, range(2), shop / "examples", shop / "encoder")


def test_both_arms_are_trained_once_and_compared_task_by_task(shop, runs, tmp_path, monkeypatch, capsys):
    suite, train = runs
    found = train()
    assert [set(seed) for seed in found] == [{"shared", "reply", "mood"}] * 2
    assert all(run["cpu_s"] > 0 for seed in found for run in seed.values())
    monkeypatch.setattr(one_vs_many, "train_suite", lambda *_: pytest.fail("a finished run was trained again"))
    assert train() == found
    monkeypatch.setattr(one_vs_many, "RESULTS", tmp_path / "results.json")
    capsys.readouterr()
    report(suite, found, shop / "examples", small=False)
    *lines, compute, tasks = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["reply", "mood"]
    ratio = sum(s["shared"]["cpu_s"] for s in found) / sum(s[n]["cpu_s"] for s in found for n in ("reply", "mood"))
    assert json.loads(compute)["value"] == pytest.approx(ratio, abs=1e-4)
    assert not json.loads(tasks)["holds"]  # two seeds are no claim, whatever they say
    assert set(json.loads((tmp_path / "results.json").read_text())["tasks"]) == {"reply", "mood"}


def test_a_gpu_that_runs_share_says_nothing_of_compute(shop, runs, tmp_path, monkeypatch, capsys):
    suite, train = runs
    found = train()
    monkeypatch.setattr(one_vs_many, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "a GPU")
    capsys.readouterr()
    report(suite, found, shop / "examples", small=False, gpu=True)
    assert "compute" not in capsys.readouterr().out
    kept = json.loads((tmp_path / "results_gpu.json").read_text())
    assert kept["machine"]["gpu"] == "a GPU"
    assert "compute_ratio" not in kept


def test_a_shared_model_that_knows_nothing_fails(shop, runs, capsys):
    suite, train = runs
    found = train()
    for seed in found:
        scores = np.load(seed["shared"]["folder"] / "mood.npy")
        np.save(seed["shared"]["folder"] / "mood.npy", np.full_like(scores, 1 / scores.shape[1]))
    report(suite, found, shop / "examples", small=True)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("mood")]
    assert line.endswith(": fail")
