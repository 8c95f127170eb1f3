"""Texts are encoded once per trunk, and heads that read the kept vectors answer as the whole model does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fixtures.tiny_suite import tiny_checkpoint, tiny_suite, tiny_tables

from polymart.evaluation.encodings import encode_texts
from polymart.model.predictor import Predictor

FRAME = tiny_tables()["mood"]


def predictor_of(seed: int = 0, **inputs: str | None) -> Predictor:
    suite = tiny_suite("mood")
    task = suite.tasks[0]
    task = task.model_copy(update={"inputs": task.inputs.model_copy(update=inputs)})
    return Predictor(tiny_checkpoint(suite.model_copy(update={"tasks": [task]}), seed))


def passes_of(predictor: Predictor) -> list[int]:
    """Grows by the number of texts of every pass of the trunk."""
    passes: list[int] = []
    predictor.model.encoder.register_forward_hook(lambda _, inputs, __: passes.append(len(inputs[0])))
    return passes


@pytest.mark.parametrize("inputs", [{}, {"text_pair": "channel"}])
def test_heads_on_kept_vectors_answer_as_the_whole_model(tmp_path, inputs):
    predictor = predictor_of(**inputs)
    found = encode_texts(predictor, "mood", FRAME, tmp_path)
    batch = predictor.collators["mood"](FRAME)
    rows = {"text_index_B": torch.from_numpy(found.text_index_B)}
    if inputs:
        rows["pair_index_B"] = torch.from_numpy(found.pair_index_B)
    with torch.inference_mode():
        outputs_BO = predictor.model("mood", replace(batch, **rows), torch.from_numpy(found.vectors_UD))
    scores_BO = predictor.kinds["mood"].activate(outputs_BO).numpy()
    np.testing.assert_allclose(scores_BO, predictor.scores("mood", FRAME), atol=1e-6)


def test_each_distinct_text_is_encoded_once_and_then_read(tmp_path):
    predictor = predictor_of(text_pair="channel")
    passes, done = passes_of(predictor), []
    first = encode_texts(predictor, "mood", FRAME, tmp_path, done.append)
    distinct = set(FRAME.text) | set(FRAME.channel)
    assert sum(passes) == sum(done) == len(first.vectors_UD) == len(distinct)
    again = encode_texts(predictor, "mood", FRAME, tmp_path)
    assert sum(passes) == len(distinct)
    assert isinstance(again.vectors_UD, np.memmap)
    np.testing.assert_array_equal(again.vectors_UD, first.vectors_UD)
    assert encode_texts(predictor, "mood", FRAME).vectors_UD.tolist() == first.vectors_UD.tolist()


def test_another_trunk_or_other_texts_have_vectors_of_their_own(tmp_path):
    predictor = predictor_of()
    one = encode_texts(predictor, "mood", FRAME, tmp_path)
    other = encode_texts(predictor_of(seed=1), "mood", FRAME, tmp_path)
    assert not np.allclose(one.vectors_UD, other.vectors_UD)
    encode_texts(predictor, "mood", FRAME.assign(text="tea"), tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    with torch.no_grad():
        next(predictor.model.heads["mood"].parameters()).add_(1)
    encode_texts(predictor, "mood", FRAME, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3, "a head changes no vector"


def test_an_interrupted_encoding_leaves_nothing(tmp_path):
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_texts(predictor_of(), "mood", FRAME, tmp_path, stop)
    assert list(tmp_path.iterdir()) == []


def test_a_task_without_text_has_none(tmp_path):
    suite = tiny_suite("units")
    assert encode_texts(Predictor(tiny_checkpoint(suite)), "units", tiny_tables()["units"], tmp_path) is None
