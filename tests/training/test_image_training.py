"""Tasks with pictures from end to end: train, write a checkpoint, read it, answer."""

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.example_tables import write_example_tables
from fixtures.image_backbone import write_backbone_archive
from fixtures.tiny_encoder import write_tiny_encoder
from PIL import Image

from polymart.config import Settings, Suite
from polymart.errors import TableError
from polymart.model.predictor import Predictor
from polymart.training.loop import train_suite

COLOURS = {"dark": 40, "light": 215}
SUITE = Suite.model_validate(
    {
        "name": "photos",
        "tasks": [
            {
                "name": "shade",
                "kind": "multiclass",
                "source": "shade",
                "inputs": {"image": "image"},
                "metric": "accuracy",
                "floor": "majority",
                "cluster": "example_id",
                "micro_batch": 16,
            }
        ],
        "encoder": {"max_tokens": 16, "trainable_layers": 2, "image_size": 32, "image_trainable_blocks": 2},
        "training": {"max_steps": 12, "evaluate_every": 6, "micro_batches": 1, "precision": "float32"},
    }
)


def _photo(shade, number):
    noise = np.random.default_rng(number).integers(-30, 31, (20, 20, 3))
    file = BytesIO()
    Image.fromarray((COLOURS[shade] + noise).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _write_examples(folder, rows=96):
    labels = np.array(list(COLOURS))[np.arange(rows) // 3 % 2]
    frame = pd.DataFrame(
        {
            "example_id": [f"e{number}" for number in range(rows)],
            "image": [_photo(label, number) for number, label in enumerate(labels)],
            "label": labels,
            "split": np.array(["train", "val", "test"])[np.arange(rows) % 3],
        }
    )
    write_example_tables(folder, SUITE.tasks, {"shade": frame}, {"shade": list(COLOURS)})
    return frame


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    frame = _write_examples(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLYMART_DATA_DIR", str(root / "data"))
        write_backbone_archive(Settings())
        train_suite(root, write_tiny_encoder(root / "encoder"), SUITE, root / "checkpoint")
    return root / "checkpoint", frame


def test_a_task_with_pictures_learns_and_its_checkpoint_answers(trained):
    folder, frame = trained
    test = frame[frame.split == "test"]
    answers = Predictor.load(folder).answer("shade", test)
    assert [answer["label"] for answer in answers] == test.label.tolist()


def test_the_checkpoint_holds_the_tower_and_needs_no_archive(trained):
    tower = Predictor.load(trained[0]).model.image
    published = type(tower)(tower.project.out_features)
    torch.manual_seed(1)
    assert tower.state_dict().keys() == published.state_dict().keys()
    assert not torch.equal(tower.project.weight, published.project.weight)


def test_a_row_without_a_picture_is_named(trained):
    folder, frame = trained
    broken = frame[frame.split == "test"].head(3).copy()
    broken["image"] = [broken.image.iloc[0], None, b"nothing"]
    with pytest.raises(TableError, match=f"row {broken.index[1]}: the picture"):
        Predictor.load(folder).answer("shade", broken)
