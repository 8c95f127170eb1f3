"""From the rows of an example table to tensors.

Serving uses the same object on the same column names, so that training and serving cannot drift apart.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer

from polymart.config import Inputs
from polymart.errors import TableError
from polymart.model.batch import Batch
from polymart.model.image import decode_images
from polymart.model.statistics import CLIP, InputStatistics, numeric_array, signed_log
from polymart.model.texts import clean_texts, longest_text, padded, padding_id, token_ids

NUM_HISTORY_FEATURES = 12
HISTORY_COLUMNS = ("ids", "count", "decayed", "gap")


class Collator:
    """Turns rows of a task's example table into a `Batch`.

    No value of an input is an error: a missing text is the empty one; a long text is cut (`clean_texts`); a number
    that is missing or infinite becomes the training median with its flag; an unseen category has an embedding of its
    own. Absent columns and unreadable pictures (`decode_images`) are errors.
    """

    def __init__(self, inputs: Inputs, statistics: InputStatistics, tokenizer: Tokenizer, image_size: int = 64) -> None:
        self.inputs = inputs
        self.image_size = image_size
        self.statistics = statistics
        self.tokenizer = tokenizer
        self.max_characters = longest_text(tokenizer)
        self.known: dict[str, np.ndarray] = {}
        """Token ids of texts that come again and again (`remember`); serving remembers none."""

    def remember(self, frame: pd.DataFrame) -> None:
        """Tokenise the texts of ``frame`` once for all batches to come."""
        if self.inputs.text and not frame.empty:
            texts = pd.unique(self.all_texts(frame))
            self.known |= dict(zip(texts, self.tokenised(texts), strict=True))

    def columns(self) -> list[str]:
        """Every column that a row must have."""
        inputs = self.inputs
        history = [f"{inputs.label_history}_{part}" for part in HISTORY_COLUMNS] if inputs.label_history else []
        single = [column for column in (inputs.text, inputs.text_pair, inputs.image, inputs.baseline) if column]
        return list(dict.fromkeys([*single, *inputs.numeric, *inputs.categorical, *history]))

    def __call__(self, frame: pd.DataFrame) -> Batch:
        """Collate all rows of ``frame`` into one batch.

        Raises:
            TableError: a column of the task's inputs is absent.
        """
        self._require_columns(frame)
        parts: dict[str, torch.Tensor] = {}
        inputs = self.inputs
        if inputs.text:
            parts |= self._texts(frame)
        if inputs.image:
            parts["image_BCHW"] = torch.from_numpy(decode_images(frame[inputs.image], self.image_size))
        if inputs.numeric:
            parts |= self._numeric(frame)
        if inputs.categorical:
            parts["categorical_BK"] = self._categorical(frame)
        if inputs.label_history:
            parts |= self._history(frame, inputs.label_history)
        if inputs.baseline:
            baseline = np.nan_to_num(numeric_array(frame, inputs.baseline)).clip(min=0)
            parts["baseline_B"] = torch.from_numpy(np.log1p(baseline).astype(np.float32))
        return Batch(size=len(frame), **parts)

    def lengths(self, frame: pd.DataFrame) -> np.ndarray:
        """Tokens of each row's longest text (0 without text); used to bucket rows of similar length.

        Raises:
            TableError: a column of the task's inputs is absent.
        """
        self._require_columns(frame)
        if not self.inputs.text or frame.empty:
            return np.zeros(len(frame), np.int64)
        index, unique = pd.factorize(self.all_texts(frame))
        known = np.array([len(ids) for ids in self.tokenised(unique)], np.int64)
        return known[index].reshape(-1, len(frame)).max(0)

    def _require_columns(self, frame: pd.DataFrame) -> None:
        absent = [column for column in self.columns() if column not in frame]
        if absent:
            raise TableError(
                f"input columns {absent} are absent; found {list(frame.columns)}",
                remedy="retrieve the task's feature service, or correct its inputs in the suite",
            )

    def all_texts(self, frame: pd.DataFrame) -> np.ndarray:
        """The first texts of all rows, then their second texts where the task has them."""
        columns = [column for column in (self.inputs.text, self.inputs.text_pair) if column]
        return np.concatenate([clean_texts(frame[column], self.max_characters) for column in columns])

    def tokenised(self, texts: np.ndarray) -> list[np.ndarray]:
        """The token ids of each text, without padding."""
        fresh = [text for text in texts if text not in self.known]
        made = dict(zip(fresh, token_ids(fresh, self.tokenizer), strict=True))
        return [made[text] if text in made else self.known[text] for text in texts]

    def _texts(self, frame: pd.DataFrame) -> dict[str, torch.Tensor]:
        """Each distinct text once, be it a first or a second one, and where the rows' texts are."""
        index, unique = pd.factorize(self.all_texts(frame))
        tokens, mask = padded(self.tokenised(unique), padding_id(self.tokenizer))
        rows = torch.from_numpy(index.astype(np.int64)).split(len(frame))
        return {
            "tokens_UT": tokens,
            "mask_UT": mask,
            **dict(zip(("text_index_B", "pair_index_B"), rows, strict=False)),
        }

    def _numeric(self, frame: pd.DataFrame) -> dict[str, torch.Tensor]:
        statistics, columns = self.statistics, self.inputs.numeric
        values = signed_log(np.stack([numeric_array(frame, c) for c in columns], 1))
        missing = np.isnan(values)
        median, mean, scale = (
            np.array([part[c] for c in columns]) for part in (statistics.median, statistics.mean, statistics.scale)
        )
        standard = (np.where(missing, median, values) - mean) / scale
        return {
            "numeric_BN": torch.from_numpy(standard.clip(-CLIP, CLIP).astype(np.float32)),
            "missing_BN": torch.from_numpy(missing.astype(np.float32)),
        }

    def _categorical(self, frame: pd.DataFrame) -> torch.Tensor:
        codes = []
        for column in self.inputs.categorical:
            position = {value: i + 1 for i, value in enumerate(self.statistics.vocabulary[column])}
            codes.append([position.get(str(value), 0) for value in frame[column]])
        return torch.tensor(codes, dtype=torch.int64).T.contiguous()

    def _history(self, frame: pd.DataFrame, prefix: str) -> dict[str, torch.Tensor]:
        def lists(part: str) -> list[np.ndarray]:
            return [
                np.asarray([] if value is None or np.isscalar(value) else value) for value in frame[f"{prefix}_{part}"]
            ]

        ids, count, decayed, gap = map(lists, HISTORY_COLUMNS)
        width, num_labels = max(1, *map(len, ids)), self.statistics.num_labels
        ids_BP = np.full((len(frame), width), num_labels, np.int64)
        history_BPH = np.zeros((len(frame), width, NUM_HISTORY_FEATURES), np.float32)
        count_BP = np.zeros((len(frame), width), np.float32)
        for row, labels in enumerate(ids):
            known = (labels >= 0) & (labels < num_labels)
            seen = slice(0, int(known.sum()))
            ids_BP[row, seen], count_BP[row, seen] = labels[known], count[row][known]
            history_BPH[row, seen] = history_features(count[row][known], decayed[row][known], gap[row][known])
        parts = {"history_ids_BP": ids_BP, "history_BPH": history_BPH, "history_count_BP": count_BP}
        return {name: torch.from_numpy(part) for name, part in parts.items()}


def history_features(count: np.ndarray, decayed: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Twelve bounded features of each label seen before, shape (labels, H).

    The last three compare the gap with the label's usual interval: a label bought every fourth time and last seen
    four baskets ago is due.

    Args:
        count: events that had the label.
        decayed: the same with older events weighted down exponentially.
        gap: events since the label was last seen (0 = in the newest event).
    """
    share = count / max(1.0, float(np.max(count, initial=1.0)))
    recent = decayed / max(1e-6, float(np.max(decayed, initial=1e-6)))
    # The label that was met first tells how many events there are: it was seen `count` times, then not for `gap`.
    rate = count / max(1.0, float(np.max(count + gap, initial=1.0)))
    due = (gap + 1) * rate
    features = (
        np.ones_like(share),
        np.log1p(count) / 3,
        np.log1p(decayed),
        share,
        recent,
        1 / (1 + gap),
        np.log(np.maximum(decayed, 1e-5)) / 5,
        np.log1p(gap) / 3,
        np.tanh(gap * share / 3),
        np.log(np.maximum(rate, 1e-4)) / 3,
        np.log(due + 1e-3) / 3,
        np.exp(-due),
    )
    return np.stack(features, 1).astype(np.float32)
