"""The packaged encoder: true to the trained one, bound to its checkpoint, silent, and optional."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from fixtures.tiny_encoder import tiny_bert, tiny_tokenizer
from fixtures.tiny_items import COMMON, NUM_ITEMS, goods, items_tables
from fixtures.tiny_items import TASKS as ITEM_TASKS
from fixtures.tiny_suite import LABELS, TASKS, tiny_tables
from torch.nn.functional import cosine_similarity

from polymart.config import Suite
from polymart.errors import ReleaseError, SettingError
from polymart.model import item_index
from polymart.model.batch import Batch
from polymart.model.encoder import TextEncoder
from polymart.model.multitask import MultiTaskModel
from polymart.model.predictor import Predictor
from polymart.model.statistics import fit_statistics
from polymart.model.texts import fit_tokenizer
from polymart.training.checkpoint import Checkpoint, TaskState
from serving.encoding import Vectors
from serving.encoding import trunk as trunk_module
from serving.encoding.packaged import finds_documents, open_encoder, package_encoder
from serving.encoding.runtimes import SETTING, OpenVinoRuntime, Runtime, TorchRuntime, choose_runtime, rounded_up
from serving.encoding.silent import openvino
from serving.encoding.trunk import TRUNK, save_trunk
from serving.features import NoFeatures
from serving.precision import neighbour_overlap
from serving.scoring import Scorer
from serving.texts import TextHeads

SUITE = Suite.model_validate({
    "name": "texts",
    "tasks": [{**COMMON, **ITEM_TASKS[0], "max_tokens": 12}, {**TASKS[3], "micro_batch": 16, "max_tokens": 8}],
    "encoder": {"max_tokens": 16, "trainable_layers": 2},
})  # fmt: skip
TEXTS = ["milk", "bread good", "where refund bad cheese milk sour good bad", "", "good good milk " * 9]


class Counting:
    """A runtime that remembers how many texts each pass had."""

    name = "counting"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime, self.shape, self.lanes, self.passes = runtime, runtime.shape, runtime.lanes, []

    def warm_up(self, longest: int) -> None:
        self.runtime.warm_up(longest)

    def encode(self, tokens_UT: np.ndarray, mask_UT: np.ndarray) -> np.ndarray:
        self.passes.append(len(tokens_UT))
        return self.runtime.encode(tokens_UT, mask_UT)


def make_predictor() -> Predictor:
    torch.manual_seed(3)
    tokenizer = fit_tokenizer(tiny_tokenizer(), 16)
    found, mood = items_tables(40)["found"], tiny_tables(40)["mood"]
    states = {
        "found": TaskState(labels=None, data_origin="synthetic",
                           statistics=fit_statistics(found, SUITE.task("found").inputs, NUM_ITEMS)),
        "mood": TaskState(labels=LABELS["mood"], data_origin="synthetic",
                          statistics=fit_statistics(mood, SUITE.task("mood").inputs, 0)),
    }  # fmt: skip
    model = MultiTaskModel.build(
        TextEncoder(tiny_bert(tokenizer.get_vocab_size(), 3), 2), SUITE.tasks,
        {name: state.statistics for name, state in states.items()},
        {name: state.labels for name, state in states.items()},
    )  # fmt: skip
    for parameter in model.heads.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return Predictor(Checkpoint(model.eval(), tokenizer, SUITE, states, {"goods": goods()}, "sha256:one"))


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return make_predictor()


@pytest.fixture(scope="module")
def packaged(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release") / "encoder"
    package_encoder(predictor, folder)
    return folder


def encoded(runtime: Runtime, predictor: Predictor, texts: list[str]) -> torch.Tensor:
    vectors = Vectors(runtime, predictor.checkpoint.tokenizer)
    try:
        return vectors.encode(texts, 16)
    finally:
        vectors.close()


@pytest.mark.parametrize(("precision", "cosine"), [("float32", 0.9999), ("bfloat16", 0.99)])
def test_the_packaged_trunk_gives_the_trained_vectors_whatever_is_encoded_beside_them(
    predictor: Predictor, packaged: Path, precision: str, cosine: float
) -> None:
    runtime = OpenVinoRuntime(packaged / TRUNK, 1, precision)
    found_UD = encoded(runtime, predictor, TEXTS)
    expected_UD = encoded(TorchRuntime(predictor.model.encoder), predictor, TEXTS)
    assert cosine_similarity(found_UD, expected_UD).min() > cosine
    alone_UD = torch.cat([encoded(runtime, predictor, [text]) for text in TEXTS])
    torch.testing.assert_close(alone_UD, found_UD, atol=1e-6, rtol=0)


@pytest.mark.parametrize("traceable", [True, False])
def test_heads_say_of_many_texts_what_they_say_of_each(
    predictor: Predictor, traceable: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if not traceable:
        monkeypatch.setattr(torch.jit, "trace", Mock(side_effect=RuntimeError("no tracer")))
    heads = TextHeads(predictor)
    vectors_UD = np.random.default_rng(7).normal(size=(5, 32)).astype(np.float32)
    together = heads.outputs(vectors_UD)
    assert ("cannot be traced" in caplog.text) is not traceable
    for number, row in enumerate(together):
        np.testing.assert_allclose(row, heads.outputs(vectors_UD[[number]])[0], atol=1e-6)
    with torch.inference_mode():
        scores_US = predictor.kinds["mood"].activate(predictor.model.head("mood")(Batch(5), torch.tensor(vectors_UD)))
    for row, scores_S in zip(together, scores_US.numpy(), strict=True):
        found = heads.answers([row] * len(heads.lengths), 9)["mood"]["scores"]
        assert [found[label] for label in LABELS["mood"]] == pytest.approx(scores_S.tolist(), abs=1e-6)


def test_a_pass_of_many_texts_is_padded_and_cut_back(predictor: Predictor, packaged: Path) -> None:
    runtime = OpenVinoRuntime(packaged / TRUNK, 1, "float32")
    runtime.warm_up(16)
    tokens_UT, mask_UT = np.full((35, 5), 7), np.ones((35, 5), np.int64)
    found_UD = runtime.encode(tokens_UT, mask_UT)
    assert found_UD.shape == (35, 32)
    np.testing.assert_allclose(found_UD, np.tile(found_UD[:1], (35, 1)), atol=1e-6)
    assert [rounded_up(texts) for texts in (1, 5, 12, 13, 32, 33, 65)] == [1, 6, 12, 16, 32, 64, 96]


@pytest.mark.parametrize(("precision", "lanes"), [("float32", 3), ("bfloat16", 1)])
def test_passes_side_by_side_give_what_they_give_alone(packaged: Path, precision: str, lanes: int) -> None:
    runtime = OpenVinoRuntime(packaged / TRUNK, 3, precision)
    assert runtime.lanes == lanes
    runtime.warm_up(16)
    generator = np.random.default_rng(3)
    tokens = [generator.integers(1, 20, (texts, length)) for texts in (1, 2, 3) for length in range(1, 17)]
    with ThreadPoolExecutor(runtime.lanes) as pool:
        together = list(pool.map(lambda one: runtime.encode(one, np.ones_like(one)), tokens))
    for one, vectors_UD in zip(tokens, together, strict=True):
        np.testing.assert_allclose(vectors_UD, runtime.encode(one, np.ones_like(one)), atol=1e-6)


def test_lanes_whose_first_passes_meet_do_not_wait_for_each_other(packaged: Path) -> None:
    code = f"""
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from serving.encoding.runtimes import OpenVinoRuntime
runtime, together = OpenVinoRuntime(Path({str(packaged / TRUNK)!r}), 8, "float32"), threading.Barrier(8)
def encode(_):
    together.wait()
    return runtime.encode(np.ones((1, 4), np.int64), np.ones((1, 4), np.int64))
with ThreadPoolExecutor(8) as pool:
    list(pool.map(encode, range(8)))
"""
    for _ in range(4):  # without the pass of the constructor two runs of five never end
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True, timeout=90)


def test_equal_trunks_have_equal_bytes(predictor: Predictor, packaged: Path, tmp_path: Path) -> None:
    assert save_trunk(predictor.model.encoder, tmp_path)
    for name in (TRUNK, "trunk.bin"):
        assert (tmp_path / name).read_bytes() == (packaged / name).read_bytes()


def test_one_pass_answers_labels_and_documents_as_if_asked_alone(predictor: Predictor) -> None:
    counting = Counting(TorchRuntime(predictor.model.encoder))
    scorer = Scorer(predictor, NoFeatures(), {None: Vectors(counting, predictor.checkpoint.tokenizer)})
    for text in TEXTS:
        found = scorer.understand(text, 5)
        assert found.keys() == {"found", "mood"}
        for task, answer in found.items():
            frame = items_tables(40)["found"].head(1).assign(text=text)
            expected = predictor.answer(task, frame, 5)[0]
            if task == "mood":
                assert answer["scores"] == pytest.approx(expected["scores"], abs=1e-5)
            else:
                assert [item["item_id"] for item in answer["items"]] == [item["item_id"] for item in expected["items"]]
                assert [i["score"] for i in answer["items"]] == pytest.approx([i["score"] for i in expected["items"]])
    assert counting.passes[0] == 1, "a short text is the same under both limits"
    assert max(counting.passes) == 2, "a long one is cut twice, in one pass"
    scorer.vectors[None].close()


def test_packaged_documents_are_not_encoded_again(packaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh, expected = make_predictor(), make_predictor().index("found").vectors_VD
    monkeypatch.setattr(item_index, "encode_items", None)
    open_encoder(packaged, fresh)
    torch.testing.assert_close(fresh.index("found").vectors_VD, expected)


@pytest.mark.parametrize("name", [TRUNK, "trunk.bin", "found.npy"])
def test_a_tampered_file_is_refused(predictor: Predictor, packaged: Path, tmp_path: Path, name: str) -> None:
    for path in packaged.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes() + (b" " if path.name == name else b""))
    with pytest.raises(ReleaseError, match=rf"packaged file .*{name} must have sha256:"):
        open_encoder(tmp_path, predictor)


def test_the_encoder_of_another_checkpoint_is_refused(packaged: Path) -> None:
    other = make_predictor()
    object.__setattr__(other.checkpoint, "digest", "sha256:two")
    with pytest.raises(ReleaseError, match="must belong to checkpoint sha256:two, found sha256:one"):
        open_encoder(packaged, other)


def test_the_setting_chooses_and_is_checked(
    predictor: Predictor, packaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    if not torch.cuda.is_available():
        assert choose_runtime(predictor, packaged, 1).name.startswith("openvino-")
        assert choose_runtime(predictor, tmp_path, 1).name == "torch-float32"
    for name in ("torch-float32", "torch-bfloat16", "openvino-float32", "openvino-bfloat16"):
        monkeypatch.setenv(SETTING, name)
        assert choose_runtime(predictor, packaged, 1).name == name
    with pytest.raises(SettingError, match="but the release has no"):
        choose_runtime(predictor, tmp_path, 1)
    monkeypatch.setenv(SETTING, "tensorrt")
    with pytest.raises(SettingError, match="POLYMART_RUNTIME is 'tensorrt', which is no runtime"):
        choose_runtime(predictor, packaged, 1)


def test_an_encoder_that_cannot_be_converted_is_left_to_torch(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    truth = trunk_module.converted(predictor.model.encoder)
    other = TextEncoder(tiny_bert(predictor.checkpoint.tokenizer.get_vocab_size(), 8), 2)
    monkeypatch.setattr(trunk_module, "converted", lambda encoder: truth)
    assert not save_trunk(other, tmp_path)
    assert "strays from the encoder" in caplog.text
    monkeypatch.setattr(trunk_module, "converted", None)
    assert not save_trunk(other, tmp_path)
    assert "cannot be converted" in caplog.text
    assert not list(tmp_path.iterdir())


def test_openvino_reports_to_nobody(tmp_path: Path) -> None:
    assert openvino.tools.ovc.telemetry_utils.tm.__name__ == "openvino.tools.ovc.telemetry_stub"
    silent = Path(__file__).parents[2] / "serving" / "encoding" / "silent.py"
    code = f"""
import runpy, sys
loud = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.fork", "os.posix_spawn")
sys.addaudithook(lambda event, args: event in loud and sys.exit(event))
openvino = runpy.run_path({str(silent)!r})["openvino"]
x = openvino.opset13.parameter([1, 4], openvino.Type.f32)
openvino.Core().compile_model(openvino.Model([openvino.opset13.relu(x)], [x], "relu"), "CPU")
"""
    environment = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.iterdir()), "its telemetry would leave a file in the home folder"


def test_only_retrieval_by_a_text_alone_finds_documents() -> None:
    again = Suite.model_validate(SUITE.model_dump() | {"tasks": [{**COMMON, **ITEM_TASKS[1]}]}, strict=False)
    assert [finds_documents(task) for task in (*SUITE.tasks, *again.tasks)] == [True, False, False]


def test_neighbour_overlap_has_known_values() -> None:
    angles = np.radians([0, 10, 30, 90])
    around = np.stack([np.cos(angles), np.sin(angles)], 1)
    assert neighbour_overlap(around, 7 * around, k=1) == 1
    swapped = around[[0, 1, 3, 2]]  # nearest: 1 0 1 2 by itself, 1 0 3 1 with the last two swapped
    assert neighbour_overlap(swapped, around, k=1) == pytest.approx(0.5)
    assert neighbour_overlap(around[:1], around[:1]) == 1
