"""A release that judges households, payments and pictures: the shop's tasks, random weights, made-up tables."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from checkpoints import HOUSEHOLDS, NOW, feature_tables
from fixtures.image_backbone import write_backbone
from fixtures.tiny_encoder import tiny_bert, tiny_tokenizer
from PIL import Image

from feature_repo import retrieval
from feature_repo.views import COLUMNS
from polymart.config import Suite, load_suite
from polymart.data.pictures import CLASSES, COLOURS
from polymart.model.encoder import TextEncoder
from polymart.model.image import ImageTower
from polymart.model.multitask import MultiTaskModel
from polymart.model.statistics import fit_statistics
from polymart.model.texts import fit_tokenizer
from polymart.tasks import TargetStatistics
from polymart.training.checkpoint import Checkpoint, TaskState, save_checkpoint

TASKS = ("churn", "next_action", "repurchase_7d", "demand", "fraud", "image_category", "image_attributes")
LABELS = {"image_category": CLASSES, "image_attributes": list(COLOURS)}
CATEGORIES = range(4)
SHOP = load_suite(Path(__file__).parents[2] / "suites" / "shop.yaml")


def till_suite(*names: str) -> Suite:
    """The named tasks of the shop's suite; all of `TASKS` if none is named."""
    return SHOP.model_copy(update={"tasks": [SHOP.task(name) for name in names or TASKS]})


def till_features() -> dict[str, pd.DataFrame]:
    """The tables of `checkpoints.feature_tables`, and those of activity, visits and habits."""
    pairs = pd.MultiIndex.from_product([list(HOUSEHOLDS), list(CATEGORIES)]).to_frame(index=False)
    keys = {
        "household_activity": {"household_id": list(HOUSEHOLDS)},
        "household_visit": {"household_id": list(HOUSEHOLDS)},
        "household_category": {"household_id": pairs[0], "category_id": pairs[1]},
        "category_week": {"category_id": list(CATEGORIES)},
    }
    return feature_tables() | {view: _made_up(view, rows) for view, rows in keys.items()}


def _made_up(view: str, keys: dict[str, list[int]]) -> pd.DataFrame:
    frame, numbers = pd.DataFrame(keys), np.random.default_rng(len(view))
    for column in COLUMNS[view][2]:
        text = column in ("category_text", "visit_weekday")
        frame[column] = "tea" if text else numbers.gamma(2.0, 3.0, len(frame))
    return frame.assign(event_timestamp=NOW, created_timestamp=NOW)


def till_examples() -> dict[str, pd.DataFrame]:
    """One example table per task, all of it test split."""
    stamps = ["event_timestamp", "created_timestamp"]
    features = {name: table.drop(columns=stamps) for name, table in till_features().items()}
    profile = features["household_profile"]
    active = profile.merge(features["household_activity"])
    tables = {
        "churn": active,
        "next_action": profile.merge(features["household_visit"]),
        "repurchase_7d": active.merge(features["household_category"]).merge(features["category_week"]),
        "demand": features["series_demand"],
        "fraud": _payments(),
        "image_category": pd.DataFrame({"image": [png(colour) for colour in COLOURS.values()]}),
        "image_attributes": pd.DataFrame({"image": [png(colour, side=9) for colour in COLOURS.values()]}),
    }
    return {name: table.assign(split="test", event_timestamp=table.get("event_timestamp", NOW))
            for name, table in tables.items()}  # fmt: skip


def _payments() -> pd.DataFrame:
    """As `polymart.data.fraud.read_light` leaves them: a first payment, a later one, one of unknown country."""
    paid = pd.to_datetime(["2019-01-01 00:12:26", "2019-07-03 14:05:00.250", "2019-12-31 23:59:59"], format="ISO8601")
    return pd.DataFrame(
        {
            "event_timestamp": paid,
            "amount": [24_900.0, 3.0, 100_000.0],
            "hour": [0.0, 14.0, 23.0],
            "weekday": [1.0, 2.0, 1.0],
            "months_to_expiry": [67.0, 0.0, 127.0],
            "card_before": [0.0, 2.0, 9.0],
            "card_gap_days": [np.nan, 15.388461, 0.001806],
            "amount_to_mean": [np.nan, 0.000084, 13.857],
            "store_before": [0.0, 5.0, 23.0],
            "currency": ["CUC", "USD", "EUR"],
            "provider": ["Mastercard", "JCB 16 digit", "Maestro"],
            "country": ["US", "RU", None],
            "customer_present": ["True", "False", "True"],
        }
    )


def png(colour: tuple[int, int, int] = (230, 25, 35), side: int = 28) -> bytes:
    """A square of one colour."""
    file = BytesIO()
    Image.new("RGB", (side, side), colour).save(file, "PNG")
    return file.getvalue()


def save_till(folder: Path, suite: Suite, scratch: Path) -> None:
    """A checkpoint of ``suite`` with random weights in every head and in the image tower."""
    torch.manual_seed(3)
    tokenizer, tables = fit_tokenizer(tiny_tokenizer(), suite.encoder.max_tokens), till_examples()
    states = {
        task.name: TaskState(labels=LABELS.get(task.name), data_origin="synthetic",
                             target=TargetStatistics(temperature=1.7),
                             statistics=fit_statistics(tables[task.name], task.inputs, 0))
        for task in suite.tasks
    }  # fmt: skip
    encoder = TextEncoder(tiny_bert(tokenizer.get_vocab_size(), 0, positions=128), 2)
    image = None
    if any(task.inputs.image for task in suite.tasks):
        image = ImageTower.from_pretrained(write_backbone(scratch), encoder.width)
    model = MultiTaskModel.build(
        encoder, suite.tasks, {name: state.statistics for name, state in states.items()},
        {name: state.labels for name, state in states.items()}, image,
    )  # fmt: skip
    for head in model.heads.values():
        torch.nn.init.normal_(head.out.weight, std=0.2)
    save_checkpoint(Checkpoint(model.eval(), tokenizer, suite, states), folder)


def write_store(tables: Path, store: Path) -> None:
    """The online store of `till_features`."""
    (tables / "features").mkdir(parents=True)
    for name, table in till_features().items():
        table.to_parquet(tables / "features" / f"{name}.parquet", coerce_timestamps="us")
    retrieval.apply(tables, store)
    retrieval.materialize(store)
