import numpy as np
import pytest
import torch
from fixtures.tiny_suite import LABELS, tiny_checkpoint, tiny_suite, tiny_tables
from scipy.special import expit, logit, softmax

from polymart.model.predictor import Predictor
from polymart.training.calibration import calibrate
from polymart.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from polymart.training.data import TaskData

SUITE = tiny_suite()
TABLES = tiny_tables(rows=4000)
TOO_SURE = 2.5
"""By how much the logits of the heads are too large."""


def logits_of(checkpoint: Checkpoint, name: str) -> np.ndarray:
    """What the heads say of the validation rows; softmax shares are logits up to a constant of each row."""
    scores = Predictor(checkpoint).scores(name, TABLES[name].query("split == 'val'")).astype(np.float64)
    return logit(scores) if name == "reply" else np.log(scores)


def validation(checkpoint: Checkpoint) -> dict[str, TaskData]:
    """Validation rows; labels of reply and mood are drawn from the heads' own probabilities, tempered."""
    numbers, collators = np.random.default_rng(0), Predictor(checkpoint).collators
    frames = {name: table.query("split == 'val'").reset_index(drop=True) for name, table in TABLES.items()}
    happens = expit(logits_of(checkpoint, "reply")[:, 0] / TOO_SURE)
    share = softmax(logits_of(checkpoint, "mood") / TOO_SURE, axis=1)
    frames["reply"]["label"] = (numbers.random(len(happens)) < happens).astype(int)
    frames["mood"]["label"] = [numbers.choice(LABELS["mood"], p=row) for row in share]
    return {
        task.name: TaskData.of(task, frames[task.name], LABELS[task.name], collators[task.name]) for task in SUITE.tasks
    }


@pytest.fixture(scope="module")
def calibrated() -> tuple[Checkpoint, Checkpoint]:
    """A checkpoint before and after."""
    checkpoint = tiny_checkpoint(SUITE)
    with torch.no_grad():
        for head in checkpoint.model.heads.values():
            head.out.weight.normal_(std=0.5, generator=torch.Generator().manual_seed(1))
    return checkpoint, calibrate(checkpoint, validation(checkpoint))


def test_heads_with_probabilities_get_the_temperature_that_makes_them_true(calibrated):
    temperatures = {name: state.target.temperature for name, state in calibrated[1].tasks.items()}
    assert temperatures["next_item"] == temperatures["units"] == 1
    assert temperatures["reply"] == pytest.approx(TOO_SURE, rel=0.25)
    assert temperatures["mood"] == pytest.approx(TOO_SURE, rel=0.25)


@pytest.mark.parametrize("name", ["reply", "mood"])
def test_the_predictor_divides_the_logits(calibrated, name):
    before, after = calibrated
    logits = logits_of(before, name) / after.tasks[name].target.temperature
    expected = expit(logits) if name == "reply" else softmax(logits, axis=1)
    found = Predictor(after).scores(name, TABLES[name].query("split == 'val'"))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_checkpoint_keeps_it(calibrated, tmp_path):
    save_checkpoint(calibrated[1], tmp_path / "out")
    assert load_checkpoint(tmp_path / "out").tasks == calibrated[1].tasks
