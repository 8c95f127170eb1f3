"""Card transactions with what was known of the card at that moment, and whether they turned out to be fraud.

Every count and sum looks at earlier transactions only, and none looks at their labels: a fraud is found out weeks
after it happened.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv

from polymart.data.tables import LabelInfo, Rules, Wanted, source_file, write_frame
from polymart.errors import TableError

LIGHT_FILE, IEEE_FILE = "fraud_transactions.csv.gz", "train.csv"
LIGHT_CATEGORIES = ["currency", "provider", "country", "customer_present"]
LIGHT_VAL_FROM, LIGHT_TEST_FROM = pd.Timestamp("2019-06-01"), pd.Timestamp("2019-07-01")
IEEE_COUNTS = [f"C{number}" for number in range(1, 15)]
IEEE_CATEGORIES = ["ProductCD", "R_emaildomain", "card2", "card3", "card5", "addr1", "addr2", "id_16", "id_27"]
IEEE_NUMBERS = ["id_13", "id_17", "id_19", "id_20", "id_21", "id_26"]
IEEE_CARD = ["card1", "card2", "card3", "card5", "addr1"]
"""Columns that together stand for one card; no card number is published."""
IEEE_VAL_DAY, IEEE_TEST_DAY = 120, 150
SECONDS_PER_DAY = 86_400


def write_light(source: Path, tables: Path, rules: Rules, _wanted: Wanted = None) -> LabelInfo:
    """Write ``labels/fraud``; see `read_light`."""
    write_frame(tables / "labels/fraud.parquet", read_light(source, rules))
    return {"fraud": {"labels": None}}


def write_ieee(source: Path, tables: Path, rules: Rules, _wanted: Wanted = None) -> LabelInfo:
    """Write ``labels/fraud_ieee``; see `read_ieee`."""
    write_frame(tables / "labels/fraud_ieee.parquet", read_ieee(source, rules))
    return {"fraud_ieee": {"labels": None}}


def read_light(folder: Path, rules: Rules) -> pd.DataFrame:
    """The small, synthetic transactions.

    Returns:
        example_id, card_id, event_timestamp, amount, what `clock_inputs` and `_card_past` add, store_before (earlier
        transactions in the store), categories as text, label (0 or 1), split (train before June 2019, val June, test
        from July).

    Raises:
        TableError: the file is missing or lacks a column.
    """
    needed = ["id", "card_id", "store_id", "datetime", "amount", "expiration_date", "fraud", *LIGHT_CATEGORIES]
    raw = _read(folder, LIGHT_FILE, "fraud_light", needed)
    raw["event_timestamp"] = pd.to_datetime(raw["datetime"])
    raw = raw.sort_values(["event_timestamp", "id"], ignore_index=True)
    frame = pd.DataFrame(
        {
            "example_id": raw["id"].astype(str),
            "card_id": raw.card_id.astype("int64"),
            "event_timestamp": raw.event_timestamp,
            "amount": raw.amount.astype("float64"),
            **clock_inputs(raw.event_timestamp, raw.expiration_date),
            **_card_past(raw.card_id, raw.event_timestamp, raw.amount),
            "store_before": raw.groupby("store_id").cumcount().astype("float64"),
            **{name: _as_text(raw[name]) for name in LIGHT_CATEGORIES},
            "label": raw.fraud.astype("int64"),
        }
    )
    rules.add("labels/fraud", "every transaction is kept", len(raw), len(frame))
    return frame.assign(split=_periods(raw.event_timestamp, LIGHT_VAL_FROM, LIGHT_TEST_FROM))


def read_ieee(folder: Path, rules: Rules) -> pd.DataFrame:
    """The transactions of the competition IEEE-CIS.

    Returns:
        example_id, card (stands for one card), day (0 to 181), amount, hour, weekday, what `_card_past` adds, counts
        and numbers as published, categories as text, label (0 or 1), split (train before day 120, val before
        day 150, then test).

    Raises:
        TableError: the file is missing or lacks a column.
    """
    given = list(dict.fromkeys([*IEEE_COUNTS, *IEEE_NUMBERS, *IEEE_CATEGORIES, *IEEE_CARD]))
    raw = _read(
        folder, IEEE_FILE, "fraud_ieee", ["TransactionID", "TransactionDT", "TransactionAmt", "isFraud", *given]
    )
    raw = raw.sort_values(["TransactionDT", "TransactionID"], ignore_index=True)
    card = raw[IEEE_CARD].apply(_as_text).fillna("").agg("-".join, axis=1)
    day = raw.TransactionDT // SECONDS_PER_DAY - 1  # the clock of the file begins at one day
    frame = pd.DataFrame(
        {
            "example_id": raw.TransactionID.astype(str),
            "card": card,
            "day": day.astype("int64"),
            "amount": raw.TransactionAmt.astype("float64"),
            "hour": (raw.TransactionDT // 3600 % 24).astype("float64"),
            "weekday": (day % 7).astype("float64"),
            **_card_past(card, pd.to_datetime(raw.TransactionDT, unit="s"), raw.TransactionAmt),
            **{name: raw[name].astype("float64") for name in [*IEEE_COUNTS, *IEEE_NUMBERS]},
            **{name: _as_text(raw[name]) for name in IEEE_CATEGORIES},
            "label": raw.isFraud.astype("int64"),
        }
    )
    rules.add("labels/fraud_ieee", "every transaction is kept", len(raw), len(frame))
    return frame.assign(split=_periods(day, IEEE_VAL_DAY, IEEE_TEST_DAY))


def clock_inputs(time: pd.Series, expiry: pd.Series) -> dict[str, pd.Series]:
    """What the clock says of payments, in training and in serving alike.

    Args:
        time: when they were made, on the shop's clock.
        expiry: of the card, as printed on it: ``MM/YY``.

    Returns:
        hour, weekday (Monday is 0) and months_to_expiry.
    """
    paid, expires = time.dt, pd.to_datetime(expiry, format="%m/%y").dt
    return {
        "hour": paid.hour.astype("float64"),
        "weekday": paid.dayofweek.astype("float64"),
        "months_to_expiry": (expires.year - paid.year) * 12.0 + expires.month - paid.month,
    }


def _card_past(card: pd.Series, time: pd.Series, amount: pd.Series) -> dict[str, pd.Series]:
    """What was known of a card before each of its transactions; the rows are in the order of time.

    Returns:
        card_before (earlier transactions), card_gap_days (since the last one; missing for the first), and
        amount_to_mean (this amount over the mean of the earlier ones; missing for the first).
    """
    before = amount.groupby(card).cumcount().astype("float64")
    spent = amount.groupby(card).cumsum() - amount
    gap = time.groupby(card).diff().dt.total_seconds() / SECONDS_PER_DAY
    mean = (spent / before).where(spent > 0)
    return {"card_before": before, "card_gap_days": gap, "amount_to_mean": amount / mean}


def _periods(time: pd.Series, val_from: object, test_from: object) -> pd.Series:
    later = (time >= val_from).astype(int) + (time >= test_from).astype(int)
    return later.map({0: "train", 1: "val", 2: "test"})


def _as_text(column: pd.Series) -> pd.Series:
    """Values as text (numbers that are codes without a fraction), missing ones as None."""
    codes = column.astype("Int64") if pd.api.types.is_float_dtype(column) else column
    return codes.astype("string").astype(object).where(column.notna(), None)


def _read(folder: Path, name: str, key: str, columns: list[str]) -> pd.DataFrame:
    path = source_file(folder, name, key)
    try:
        with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as file:
            # NA is Namibia: only an empty field is missing
            convert = pyarrow.csv.ConvertOptions(include_columns=columns, null_values=[""], strings_can_be_null=True)
            return pyarrow.csv.read_csv(file, convert_options=convert).to_pandas()
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError, EOFError) as error:
        raise TableError(
            f"source {key}: {path} is no table with the columns {', '.join(columns)}: {error}",
            remedy=f"delete that folder and run: polymart data fetch {key}",
        ) from error
