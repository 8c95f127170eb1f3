import numpy as np
import pytest
from PIL import Image

from polymart.errors import StorageError
from polymart.training.log import CURVES, TrainingLog
from polymart.training.plots import plot_training


def a_log(validations: int) -> TrainingLog:
    log = TrainingLog(best_step=10)
    log.loss = [{"step": i, "mood": 1 / i, "units": 1.0} for i in range(1, 21)]
    for step in range(10, 10 * validations + 1, 10):
        log.validation.append({"step": step, "mood": 0.5, "units": 0.9, "mean": 0.7})
        for curve in CURVES:
            log.add(curve, step, {"mood/reply": -0.5} if curve == "conflict" else {"mood": step / 10})
    return log


def test_curves_leave_ink_on_the_picture(tmp_path):
    plot_training(a_log(2), tmp_path / "some.png")
    plot_training(TrainingLog(), tmp_path / "none.png")
    some, none = (np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")) for name in ("some", "none"))
    assert some.shape == none.shape == (720, 1200, 3)

    def coloured(picture):
        return int(((picture.max(2).astype(int) - picture.min(2)) > 60).sum())

    assert coloured(none) == 0
    assert coloured(some) > 1000


def test_the_same_log_gives_the_same_picture(tmp_path):
    for name in ("a", "b"):
        plot_training(a_log(2), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_run_of_one_validation_has_a_picture(tmp_path):
    plot_training(a_log(1), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000


def test_a_file_in_the_way_of_the_folder_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError):
        plot_training(TrainingLog(), tmp_path / "file" / "plot.png")
