"""Models of one task alone are trained once each, kept, and go on after an interruption."""

import shutil

import pytest
from fixtures.interruption import Stop
from fixtures.machine import place_archive
from fixtures.tiny_suite import tiny_suite, tiny_tables, write_tiny_examples

from polymart.config import Gates, Settings, Slice
from polymart.files import read_json
from polymart.training import distributed, loop, single
from polymart.training.checkpoint import load_checkpoint
from polymart.training.single import single_suite, train_singles

SUITE = tiny_suite("mood", "reply").model_copy(update={"gates": Gates(single_task=True)})


@pytest.fixture(autouse=True, scope="module")
def one_code_version():
    """Nobody's edit between two runs of a test shall count as other code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "code_version", lambda: "sha256:this")
        patch.setattr(single, "library_version", lambda *_: "sha256:this")
        yield


@pytest.fixture(scope="module")
def machine(shop, one_code_version, tmp_path_factory):
    """A machine that has trained both models, into ``first``."""
    folder = tmp_path_factory.mktemp("machine")
    settings = Settings(data_dir=folder / "data", work_dir=folder / "work")
    place_archive("minilm", shop / "encoder", settings)
    train_singles(shop / "examples", SUITE, folder / "first", settings)
    return settings


@pytest.fixture
def first(machine):
    return machine.work_dir.parent / "first"


@pytest.fixture
def kept(machine, tmp_path):
    """Settings of a copy of that machine."""
    shutil.copytree(machine.work_dir, tmp_path / "work")
    return machine.model_copy(update={"work_dir": tmp_path / "work"})


@pytest.fixture
def trained(monkeypatch):
    """Grows by the task of every training that is started; the training itself is the real one."""
    started = []

    train = distributed.train

    def counted(*args, unit, **options):
        started.append(unit.removesuffix(" steps"))
        return train(*args, unit=unit, **options)

    monkeypatch.setattr(distributed, "train", counted)
    return started


def test_the_recipe_is_shared_and_the_steps_are_its_own():
    suite = tiny_suite("mood", "reply", micro_batches=6, max_steps=999, patience=4)
    alone = single_suite(suite, "mood", rows=80)
    assert [task.name for task in alone.tasks] == ["mood"]
    changed = {"micro_batches": 1, "max_steps": 8 * 80 // 16, "evaluate_every": 3}
    assert alone.training == suite.training.model_copy(update=changed)
    assert (alone.seed, alone.encoder) == (suite.seed, suite.encoder)
    assert single_suite(suite, "mood", rows=1).training.evaluate_every == 1


def test_each_task_gets_a_checkpoint_of_its_own(first):
    about = read_json(first / "baselines.json")
    assert set(about) == {"mood", "reply"}
    for name, found in about.items():
        checkpoint = load_checkpoint(first / name)
        assert [task.name for task in checkpoint.suite.tasks] == [name]
        assert checkpoint.digest == found["digest"]
        assert 1 <= found["best_step"] <= 8 * 80 / 16
        assert found["seconds"] > 0


def test_none_is_trained_where_the_suite_asks_for_none(shop, tmp_path):
    nothing = Settings(data_dir=tmp_path / "data", work_dir=tmp_path / "work")  # no encoder to fetch either
    train_singles(shop / "examples", tiny_suite("mood"), tmp_path / "out", nothing)
    assert read_json(tmp_path / "out" / "baselines.json") == {}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["baselines.json"]


def test_a_second_run_trains_nothing(shop, machine, first, tmp_path, trained):
    gates = SUITE.gates.model_copy(update={"resamples": 999})
    unread = {"slices": [Slice(name="by", column="channel")], "share": 3.0}
    tasks = [task.model_copy(update=unread) for task in SUITE.tasks]
    again = SUITE.model_copy(update={"name": "other", "gates": gates, "tasks": tasks})
    train_singles(shop / "examples", again, tmp_path / "out", machine)
    assert trained == []
    assert read_json(tmp_path / "out" / "baselines.json") == read_json(first / "baselines.json")
    weights = (folder / "mood" / "model.safetensors" for folder in (tmp_path / "out", first))
    assert len({path.stat().st_ino for path in weights}) == 1, "no copy where a second name will do"


def test_only_what_changed_is_trained_again(shop, kept, tmp_path, trained):
    tables = tiny_tables()
    examples = write_tiny_examples(tmp_path / "examples", tables | {"mood": tables["mood"].iloc[4:]})
    train_singles(examples, SUITE, tmp_path / "out", kept)
    assert trained == ["mood"]
    faster = SUITE.training.model_copy(update={"learning_rate": 1e-3})
    train_singles(examples, SUITE.model_copy(update={"training": faster}), tmp_path / "out", kept)
    assert trained == ["mood", "reply", "mood"]


def test_a_kept_model_that_was_damaged_is_trained_again(shop, kept, tmp_path, trained):
    weights = next((kept.work_dir / "baselines").glob("mood-*/checkpoint/model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1])
    train_singles(shop / "examples", SUITE, tmp_path / "out", kept)
    assert trained == ["mood"]
    assert (
        load_checkpoint(tmp_path / "out" / "mood").digest
        == read_json(tmp_path / "out" / "baselines.json")["mood"]["digest"]
    )


def test_an_interrupted_training_goes_on_and_ends_with_the_same_bits(shop, machine, first, tmp_path, monkeypatch):
    fresh, seen = machine.model_copy(update={"work_dir": tmp_path / "work"}), []

    class Stopping(distributed.Progress):
        def __call__(self, done: int, note: str = "") -> None:
            seen.append((self.step, self.unit, done))
            if len(seen) == 8:
                raise Stop

    monkeypatch.setattr(distributed, "Progress", Stopping)
    with pytest.raises(Stop):
        train_singles(shop / "examples", SUITE, tmp_path / "out", fresh)
    assert not (tmp_path / "out").exists()
    train_singles(shop / "examples", SUITE, tmp_path / "out", fresh)
    assert {step for step, _, _ in seen} == {"train_baselines"}
    assert seen[8][2] > 1, "it goes on after the last saved step"
    digests = [
        {task: about["digest"] for task, about in read_json(out / "baselines.json").items()}
        for out in (first, tmp_path / "out")
    ]
    assert digests[0] == digests[1]
