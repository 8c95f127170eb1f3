"""Training steps against the plain Hugging Face Trainer on the same texts, encoder and optimiser.

The peer trains one task after another, as a Trainer is used: dynamic padding, random batches, its defaults otherwise.
Both arms see the same number of examples of every task, in the same number of optimiser steps. Each task of the peer
is scored right after its own phase, before the next one can spoil the shared encoder: the generous way.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
)

from bench import claim
from bench._examples import examples_of
from polymart.config import Suite, load_suite
from polymart.data.examples import read_examples, read_examples_index
from polymart.model.precision import autocast_dtype
from polymart.model.predictor import Predictor
from polymart.tasks import kind_of
from polymart.training.loop import train_suite

SHOP = Path(__file__).parents[1] / "suites" / "shop.yaml"
TASKS = ("sentiment", "review_quality", "emotion", "intent")
"""Tasks of one text each, of 16 to 128 tokens; those whose data is absent are left out."""
RATE, HEAD_RATE, BATCH, ACCUMULATE = 5e-5, 1e-3, 32, 4
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Result:
    """One arm."""

    tokens_per_s: float
    """Real tokens, padding left out, per second of training."""
    quality: dict[str, float]
    """Macro F1 of each task on its test rows."""


def main() -> None:
    """Run both arms in both precisions and print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    suite = mixture(steps=8 if small else 100, limit=400 if small else 0)
    examples, encoder = examples_of(suite)
    present = suite.model_copy(
        update={"tasks": [t for t in suite.tasks if t.name in read_examples_index(examples).tasks]}
    )
    ours: dict[str, Result] = {}
    draws: dict[str, int] = {}
    for precision in ("float32", "auto"):
        ours[precision], draws = train_ours(present, examples, encoder, precision)
    peer = {precision: train_peer(present, examples, encoder, draws, precision) for precision in ("float32", "auto")}
    for precision, result in ours.items():
        print(f"polymart {precision}: {result}\nTrainer  {precision}: {peer[precision]}", flush=True)
    equal = {precision: ours[precision].tokens_per_s / peer[precision].tokens_per_s for precision in ours}
    steps = suite.training.max_steps
    claim("real tokens/s over Trainer, both float32", equal["float32"], ">= 1.3", equal["float32"] >= 1.3, steps)
    claim("real tokens/s over Trainer, both bfloat16", equal["auto"], ">= 1.3", equal["auto"] >= 1.3, steps)
    default = ours["auto"].tokens_per_s / peer["float32"].tokens_per_s
    claim("real tokens/s, our defaults over Trainer's", default, ">= 2.0", default >= 2.0, steps)
    if not small:
        for precision, result in ours.items():
            gap = mean(result.quality[t] - peer[precision].quality[t] for t in result.quality)
            claim(f"mean macro F1 minus Trainer's, {precision}", gap, ">= -0.005", gap >= -0.005, len(result.quality))


def mixture(steps: int, limit: int) -> Suite:
    """The text tasks of the shop with every layer trained, so that neither arm gains by freezing more."""
    shop = load_suite(SHOP)
    limits = {"train": limit, "val": 200, "test": limit}
    tasks = [
        task.model_dump(mode="json") | {"limits": limits, "micro_batch": BATCH, "weight": 1.0, "share": 1.0}
        for task in shop.tasks
        if task.name in TASKS
    ]
    training = {
        "max_steps": steps, "evaluate_every": steps, "micro_batches": ACCUMULATE, "learning_rate": RATE,
        "head_learning_rate": HEAD_RATE,
    }  # fmt: skip
    encoder = {"max_tokens": 64, "trainable_layers": 6}
    return Suite.model_validate(
        {"name": "training", "tasks": tasks, "training": training, "encoder": encoder}, strict=False
    )


def train_ours(suite: Suite, examples: Path, encoder: Path, precision: str) -> tuple[Result, dict[str, int]]:
    """Train with Polymart; also how many micro-batches each task got."""
    settings = suite.training.model_copy(update={"precision": precision})
    suite = suite.model_copy(update={"training": settings})
    with tempfile.TemporaryDirectory() as folder:
        _, log = train_suite(examples, encoder, suite, Path(folder) / "checkpoint")
        predictor = Predictor.load(Path(folder) / "checkpoint")
    quality = {}
    for task in suite.tasks:
        state, test = predictor.checkpoint.tasks[task.name], test_rows(examples, task.name)
        scores = predictor.scores(task.name, test)
        quality[task.name] = macro_f1(task.kind, targets(suite, task.name, test, state.labels or ()), scores)
    return Result(log.tokens / log.seconds, quality), dict(log.micro_batches)


class PeerModel(nn.Module):
    """Mean-pooled encoder and a linear head, as the Trainer wants it: a forward that returns the loss."""

    def __init__(self, encoder: PreTrainedModel, kind: str, num_labels: int) -> None:
        super().__init__()
        self.encoder, self.kind = encoder, kind
        self.head = nn.Linear(encoder.config.hidden_size, num_labels)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        logits = self.head((hidden * mask).sum(1) / mask.sum(1))
        loss = (
            nn.functional.cross_entropy if self.kind == "multiclass" else nn.functional.binary_cross_entropy_with_logits
        )
        return {"loss": loss(logits, labels), "logits": logits}


def train_peer(suite: Suite, examples: Path, folder: Path, draws: Mapping[str, int], precision: str) -> Result:
    """One Trainer after another on one shared encoder, with as many examples of each task as we drew."""
    bf16 = precision == "auto" and autocast_dtype("auto", DEVICE) is torch.bfloat16
    torch.manual_seed(suite.seed)
    encoder = AutoModel.from_pretrained(folder, add_pooling_layer=False)
    encoder.get_submodule("embeddings").requires_grad_(False)
    tokenizer, index = AutoTokenizer.from_pretrained(folder), read_examples_index(examples)
    tokens, seconds, quality = 0, 0.0, {}
    for task in suite.tasks:
        labels = index.tasks[task.name].labels or []
        frame = read_examples(examples, task.name)
        parts = {}
        for split in ("train", "test"):
            rows = frame[frame.split == split].reset_index(drop=True)
            encoded = tokenizer(rows[task.inputs.text].tolist(), truncation=True, max_length=task.max_tokens or 64)
            target = targets(suite, task.name, rows, labels)
            parts[split] = (encoded["input_ids"], target)
        model = PeerModel(encoder, task.kind, len(labels))
        steps = max(1, round(draws[task.name] / ACCUMULATE))
        collate = Padded(tokenizer)
        trainer = make_trainer(model, parts["train"], collate, steps, bf16, suite.seed)
        started = time.perf_counter()
        trainer.train()
        seconds += time.perf_counter() - started
        tokens += collate.tokens
        quality[task.name] = macro_f1(task.kind, parts["test"][1], predict(model, parts["test"][0], tokenizer))
    return Result(tokens / seconds, quality)


class Padded:
    """Dynamic padding to the longest of a batch, and a count of the real tokens that went through."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer, self.tokens = tokenizer, 0

    def __call__(self, rows: list[dict]) -> dict[str, Tensor]:
        """Pad one batch."""
        self.tokens += sum(len(row["input_ids"]) for row in rows)
        padded = self.tokenizer.pad([{"input_ids": row["input_ids"]} for row in rows], return_tensors="pt")
        return {**padded, "labels": torch.from_numpy(np.stack([row["labels"] for row in rows]))}


def make_trainer(
    model: PeerModel, rows: tuple[list, np.ndarray], collate: Padded, steps: int, bf16: bool, seed: int
) -> Trainer:
    """A Trainer with the optimiser of `train_ours`."""
    groups = [
        {"params": [p for p in model.encoder.parameters() if p.requires_grad], "lr": RATE},
        {"params": list(model.head.parameters()), "lr": HEAD_RATE},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / max(1, steps // 10)))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, use_cpu=DEVICE.type == "cpu", bf16=bf16, max_steps=steps,
            per_device_train_batch_size=BATCH, gradient_accumulation_steps=ACCUMULATE,
            report_to="none", save_strategy="no", logging_strategy="no",
            disable_tqdm=True, seed=seed, remove_unused_columns=False,
        )  # fmt: skip
        dataset = [{"input_ids": ids, "labels": label} for ids, label in zip(*rows, strict=True)]
        return Trainer(model, arguments, train_dataset=dataset, data_collator=collate, optimizers=(optimizer, schedule))


@torch.no_grad()
def predict(model: PeerModel, texts: list, tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """Probabilities of the test rows."""
    model.to(DEVICE).eval()
    scores = []
    for start in range(0, len(texts), 64):
        padded = tokenizer.pad({"input_ids": texts[start : start + 64]}, return_tensors="pt").to(DEVICE)
        hidden = model.encoder(**padded).last_hidden_state
        mask = padded["attention_mask"].unsqueeze(-1)
        logits = model.head((hidden * mask).sum(1) / mask.sum(1))
        scores.append(logits.softmax(-1) if model.kind == "multiclass" else logits.sigmoid())
    model.train()
    return torch.cat(scores).cpu().numpy()


def test_rows(examples: Path, task: str) -> pd.DataFrame:
    """The test rows of a task."""
    frame = read_examples(examples, task)
    return frame[frame.split == "test"].reset_index(drop=True)


def targets(suite: Suite, task: str, frame: pd.DataFrame, labels: Sequence[str]) -> np.ndarray:
    """Labels as arrays: class indices, or one column per tag."""
    config = suite.task(task)
    return kind_of(config.kind).encode_labels(frame[config.label], labels, task)


def macro_f1(kind: str, target: np.ndarray, scores: np.ndarray) -> float:
    """Macro F1 with one threshold of 0.3 for tags in both arms, so that no arm gains by tuning thresholds."""
    guess = scores.argmax(1) if kind == "multiclass" else scores > 0.3
    return float(f1_score(target, guess, average="macro", zero_division=0.0))


if __name__ == "__main__":
    main()
