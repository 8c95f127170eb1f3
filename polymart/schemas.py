"""Schemas of every table of the ``tables/`` artifact: columns, types, ranges, keys.

A schema is a pandera `DataFrameSchema`; `validate_table` turns its complaints into one `TableError` that names the
table, the broken rules, how many rows break them and three of those rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaError, SchemaErrors

from polymart.errors import TableError

Frame = pd.DataFrame
MAX_ROWS_SHOWN = 3


def _id() -> pa.Column:
    return pa.Column("int64", pa.Check.ge(0, error="is an id >= 0"))


def _number(
    low: float | None = 0.0, high: float | None = None, *, nullable: bool = False, kind: str = "float64"
) -> pa.Column:
    checks = [pa.Check(lambda s: np.isfinite(s), error="is finite")]
    if low is not None:
        checks.append(pa.Check.ge(low, error=f"is >= {low:g}"))
    if high is not None:
        checks.append(pa.Check.le(high, error=f"is <= {high:g}"))
    return pa.Column(kind, checks, nullable=nullable)


def _count(low: int = 0, high: int | None = None) -> pa.Column:
    return _number(low, high, kind="int64")


def _text(values: list[str] | None = None, *, nullable: bool = False) -> pa.Column:
    checks = [pa.Check(lambda s: s.str.len() > 0, error="is not empty")]
    if values:
        checks.append(pa.Check.isin(values, error=f"is one of {', '.join(values)}"))
    return pa.Column(str, checks, nullable=nullable)


def _time() -> pa.Column:
    return pa.Column("datetime64[us]")


def _any() -> pa.Column:
    return pa.Column(None)


def _lists(*, ids: bool = False) -> pa.Column:
    checks = [pa.Check(lambda s: s.map(len) > 0, error="is a list that is not empty")]
    if ids:
        checks.append(pa.Check(lambda s: s.map(_ascends), error="holds distinct ids >= 0 in ascending order"))
    else:
        checks.append(pa.Check(lambda s: s.map(lambda v: bool(np.isfinite(v).all())), error="holds finite numbers"))
    return pa.Column(object, checks)


def _picture() -> pa.Column:
    png = pa.Check(lambda s: s.map(lambda v: v.startswith(b"\x89PNG\r\n\x1a\n")), error="starts as a PNG does")
    return pa.Column(object, png)


def _ascends(ids: np.ndarray) -> bool:
    return bool(len(ids)) and bool(ids[0] >= 0) and bool((np.diff(ids) > 0).all())


def _history(prefix: str) -> tuple[dict[str, pa.Column], pa.Check]:
    """The four list columns of a history and the check that they are aligned."""
    lists = [f"{prefix}_{part}" for part in ("count", "decayed", "gap")]

    def aligned(frame: Frame) -> pd.Series:
        lengths = frame[f"{prefix}_ids"].map(len)
        same = [frame[name].map(len) == lengths for name in lists]
        return same[0] & same[1] & same[2]

    columns = {f"{prefix}_ids": _lists(ids=True), **{name: _lists() for name in lists}}
    return columns, pa.Check(aligned, error=f"the four {prefix} lists have the same length")


def _schema(name: str, columns: dict[str, pa.Column], unique: list[str], *checks: pa.Check) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(columns, checks=list(checks), unique=unique, strict=True, name=name)


def _features(name: str, keys: list[str], columns: dict[str, pa.Column], *checks: pa.Check) -> pa.DataFrameSchema:
    stamps = {"event_timestamp": _time(), "created_timestamp": _time()}
    known = pa.Check(
        lambda f: f.created_timestamp >= f.event_timestamp, error="created_timestamp is not before event_timestamp"
    )
    unique = [*keys, "event_timestamp", "created_timestamp"]  # a correction is a second row, created later
    return _schema(name, {**{key: _id() for key in keys}, **stamps, **columns}, unique, known, *checks)


def _payment() -> dict[str, pa.Column]:
    """What both tables of card transactions hold."""
    past = {"card_before": _number(), "card_gap_days": _number(nullable=True), "amount_to_mean": _number(nullable=True)}
    clock = {"amount": _number(), "hour": _number(0, 23), "weekday": _number(0, 6)}
    return {**clock, **past, "label": _count(0, 1), "split": _text(_SPLITS)}


def _decision(name: str, columns: dict[str, pa.Column]) -> pa.DataFrameSchema:
    window = pa.Check(
        lambda f: f.label_end >= f.event_timestamp + pd.Timedelta(seconds=1),
        error="the label window ends after the decision",
    )
    stamps = {"example_id": _text(), "event_timestamp": _time(), "label_end": _time()}
    return _schema(name, {**stamps, **columns}, ["example_id"], window)


_SPLITS = ["train", "val", "test"]
_CATEGORY_LISTS, _CATEGORIES_ALIGNED = _history("category")
_PRODUCT_LISTS, _PRODUCTS_ALIGNED = _history("product")
_WHOLE = pa.Check(lambda f: f.end_date >= f.start_date, error="a campaign ends after it starts")

_ALL = [
    _schema(
        "transactions",
        {
            "household_id": _id(),
            "store_id": _id(),
            "basket_id": _id(),
            "product_id": _id(),
            "category_id": _id(),
            "quantity": _count(1, 50),
            "sales_value": _number(),
            "retail_disc": _number(None),
            "coupon_disc": _number(None),
            "coupon_match_disc": _number(None),
            "event_timestamp": _time(),
            "local_date": _any(),
            "local_hour": _count(0, 23),
            "week_start": _any(),
        },
        [],
    ),
    _schema(
        "products",
        {
            "product_id": _id(),
            "manufacturer_id": _id(),
            "department": _text(),
            "brand": _text(),
            "category": _text(nullable=True),
            "product_type": _text(nullable=True),
            "package_size": _text(nullable=True),
        },
        ["product_id"],
    ),
    _schema(
        "categories",
        {
            "category_id": _id(),
            "category": _text(),
            "department": _text(),
            "num_lines": _count(1),
            "name": _text(),
            "category_text": _text(),
        },
        ["name"],
        pa.Check(lambda f: f.category_id == np.arange(len(f)), error="category_id counts from 0 in the order of rows"),
    ),
    _schema(
        "baskets",
        {
            "household_id": _id(),
            "basket_id": _id(),
            "store_id": _id(),
            "event_timestamp": _time(),
            "value_cents": _count(),
            "num_units": _count(1),
            "num_lines": _count(1),
            "num_coupon_lines": _count(),
            "category_ids": _lists(ids=True),
        },
        ["household_id", "basket_id"],
    ),
    _schema(
        "campaigns",
        {
            "campaign_id": _id(),
            "campaign_type": _text(),
            "start_date": _any(),
            "end_date": _any(),
            "start_timestamp": _time(),
            "end_timestamp": _time(),
        },
        ["campaign_id"],
        _WHOLE,
    ),
    _schema("targets", {"campaign_id": _id(), "household_id": _id()}, ["campaign_id", "household_id"]),
    _schema(
        "coupons",
        {"coupon_upc": _id(), "product_id": _id(), "campaign_id": _id()},
        ["coupon_upc", "product_id", "campaign_id"],
    ),
    _schema(
        "redemptions",
        {
            "household_id": _id(),
            "coupon_upc": _id(),
            "campaign_id": _id(),
            "redemption_date": _any(),
            "known_timestamp": _time(),
        },
        ["household_id", "coupon_upc", "campaign_id", "redemption_date"],
    ),
    _features(
        "features/household_profile",
        ["household_id"],
        {
            "num_baskets": _number(1),
            "basket_value_mean": _number(),
            "basket_items_mean": _number(1),
            "gap_days_mean": _number(nullable=True),
            "gap_days_last": _number(nullable=True),
            "baskets_28d": _number(1),
            "coupon_items_share": _number(0, 1),
            "redemptions_past": _number(),
            "campaigns_past": _number(),
        },
    ),
    _features(
        "features/household_history",
        ["household_id"],
        {"history_text": _text(), **_CATEGORY_LISTS},
        _CATEGORIES_ALIGNED,
    ),
    _features("features/household_products", ["household_id"], _PRODUCT_LISTS, _PRODUCTS_ALIGNED),
    _features(
        "features/household_visit",
        ["household_id"],
        {
            "visit_weekday": _text(),
            "visit_hour_sin": _number(-1, 1),
            "visit_hour_cos": _number(-1, 1),
            "visit_value": _number(),
            "visit_units": _number(1),
            "visit_categories": _number(1),
            "visit_value_ratio": _number(nullable=True),
            "gap_days_before": _number(nullable=True),
            "gap_days_recent": _number(nullable=True),
            "quick_return_share": _number(0, 1, nullable=True),
            "quick_return_share_recent": _number(0, 1, nullable=True),
            "visits_7d": _number(1),
            "next_weekdays_share": _number(0, 1),
        },
    ),
    _features(
        "features/household_activity",
        ["household_id"],
        {
            **{name: _number() for name in ("days_since_visit", "days_known", "visits_28d", "visits_84d")},
            **{name: _number() for name in ("spend_28d", "spend_84d", "gap_days_std")},
            **{name: _number(0, 3, nullable=True) for name in ("visits_trend", "spend_trend")},
            "active_weeks_12": _number(0, 12),
            **{name: _number(nullable=True) for name in ("longest_gap_days", "usual_gap_days", "overdue_ratio")},
        },
    ),
    _features(
        "features/household_category",
        ["household_id", "category_id"],
        {
            "days_since_bought": _number(0, 28),
            "bought_count": _number(4),
            **{name: _number() for name in ("bought_decayed", "bought_gap_days", "bought_gap_days_last")},
            "bought_gap_ratio": _number(),
            "bought_28d": _number(1),
            "bought_84d": _number(1),
        },
    ),
    _features(
        "features/category_week",
        ["category_id"],
        {"category_text": _text(), "habits_past": _number(), "repurchase_rate": _number(0, 1, nullable=True)},
    ),
    _features(
        "features/campaign",
        ["campaign_id"],
        {
            "campaign_text": _text(),
            "campaign_type": _text(),
            "duration_days": _number(1),
            "num_coupon_products": _number(),
        },
    ),
    _features(
        "features/household_campaign",
        ["household_id", "campaign_id"],
        {"coupon_product_buys": _number(), "coupon_category_share": _number(0, 1, nullable=True)},
    ),
    _features(
        "features/series_demand",
        ["category_id", "store_id"],
        {
            "category_text": _text(),
            **{
                name: _number()
                for name in ("units_lag1", "units_lag2", "units_lag3", "units_mean4", "units_mean13", "units_std13")
            },
            "zero_weeks13": _number(0, 13),
            "chain_lag1": _number(),
            "chain_mean4": _number(),
            "week_of_year_sin": _number(-1, 1),
            "week_of_year_cos": _number(-1, 1),
        },
    ),
    _decision("labels/next_category", {"household_id": _id(), "label": _lists(ids=True)}),
    _decision("labels/coupon_response", {"household_id": _id(), "campaign_id": _id(), "label": _count(0, 1)}),
    _decision("labels/demand", {"category_id": _id(), "store_id": _id(), "series_id": _text(), "label": _number()}),
    _decision("labels/next_product", {"household_id": _id(), "label": _lists(ids=True)}),
    _decision("labels/repurchase_7d", {"household_id": _id(), "category_id": _id(), "label": _count(0, 1)}),
    _decision("labels/next_action", {"household_id": _id(), "label": _count(0, 1)}),
    _decision("labels/churn", {"household_id": _id(), "label": _count(0, 1)}),
    _schema(
        "labels/search_relevance",
        {
            **{name: _text() for name in ("example_id", "query_id", "query", "product_text")},
            "label": _count(0, 3),
            "split": _text(_SPLITS),
        },
        ["example_id"],
        pa.Check(lambda f: f.groupby("query_id").split.transform("nunique") == 1, error="a query stands in one split"),
    ),
    _schema(
        "items/products",
        {
            "item_id": _id(),
            "text": _text(),
            "category": _text(),
            "category_id": _id(),
            **{name: pa.Column(str) for name in ("product_type", "package", "brand")},
        },
        ["item_id"],
        pa.Check(lambda f: f.item_id.is_monotonic_increasing, error="item_id ascends in the order of rows"),
    ),
    _schema(
        "labels/sentiment",
        {
            "review_id": _text(),
            "example_id": _text(),
            "text": _text(),
            "label": _text(["negative", "neutral", "positive"]),
            "valence": _number(-4, 4),
            "split": _text(_SPLITS),
        },
        ["example_id"],
    ),
    _schema(
        "labels/intent",
        {"example_id": _text(), "text": _text(), "label": _text(), "split": _text(_SPLITS)},
        ["example_id"],
    ),
    _schema(
        "labels/emotion",
        {"example_id": _text(), "text": _text(), "label": _lists(ids=True), "split": _text(_SPLITS)},
        ["example_id"],
    ),
    _schema(
        "labels/review_quality",
        {
            "example_id": _text(),
            "product": _text(),
            "text": _text(),
            "label": _text(["great", "other"]),
            "split": _text(_SPLITS),
        },
        ["example_id"],
    ),
    _schema("items/support_documents", {"item_id": _text(), "text": _text()}, ["item_id"]),
    _schema(
        "labels/answer",
        {"example_id": _text(), "text": _text(), "label": _lists(ids=True), "split": _text(_SPLITS)},
        ["example_id"],
    ),
    _schema(
        "labels/fraud",
        {
            "example_id": _text(),
            "card_id": _id(),
            "event_timestamp": _time(),
            **_payment(),
            "months_to_expiry": _number(),
            "store_before": _number(),
            **{name: _text(nullable=True) for name in ("currency", "provider", "country", "customer_present")},
        },
        ["example_id"],
    ),
    _schema(
        "labels/fraud_ieee",
        {
            "example_id": _text(),
            "card": _text(),
            "day": _count(0, 181),
            **_payment(),
            **{f"C{number}": _number() for number in range(1, 15)},
            **{f"id_{number}": _number(None, nullable=True) for number in (13, 17, 19, 20, 21, 26)},
            **{f"id_{number}": _text(nullable=True) for number in (16, 27)},
            **{name: _text(nullable=True) for name in ("ProductCD", "R_emaildomain")},
            **{name: _text(nullable=True) for name in ("card2", "card3", "card5", "addr1", "addr2")},
        },
        ["example_id"],
    ),
    _schema(
        "labels/image_category",
        {"example_id": _text(), "image": _picture(), "label": _text(), "split": _text(_SPLITS)},
        ["example_id"],
    ),
    _schema(
        "labels/image_attributes",
        {"example_id": _text(), "image": _picture(), "label": _lists(ids=True), "split": _text(_SPLITS)},
        ["example_id"],
    ),
]
SCHEMAS: dict[str, pa.DataFrameSchema] = {str(schema.name): schema for schema in _ALL}
"""Schema of each table by its path below the tables folder, without ``.parquet``."""
OWN_TABLE = pa.DataFrameSchema({"example_id": _text()}, unique=["example_id"], name="of your own")
"""What holds of every table of the user's own; what its columns mean was checked when it was read."""


def validate_table(frame_or_path: Frame | Path | str, schema: pa.DataFrameSchema) -> int:
    """Check every rule of a schema; the number of rows that were checked.

    Raises:
        TableError: naming the table, every broken rule with its count, and three rows that break the first.
    """
    frame = frame_or_path if isinstance(frame_or_path, pd.DataFrame) else _read(Path(frame_or_path))
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        raise TableError(
            _message(str(schema.name), frame, list(errors.schema_errors)),
            remedy="correct the rows in the source, or state a cleaning rule for them in polymart/data",
        ) from errors
    return len(frame)


def rules_of(schema: pa.DataFrameSchema) -> list[str]:
    """The rules of a schema in words."""
    rules = [f"{name}: {check.error}" for name, column in schema.columns.items() for check in column.checks]
    # pandera prints every timestamp as nanoseconds, whatever its unit
    rules += [
        f"{name}: is {str(column.dtype).replace('[ns]', '')}" for name, column in schema.columns.items() if column.dtype
    ]
    rules += [f"{name}: is never missing" for name, column in schema.columns.items() if not column.nullable]
    rules += [str(check.error) for check in schema.checks]
    return rules + ([f"{', '.join(schema.unique)}: is unique"] if schema.unique else [])


def _read(path: Path) -> Frame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise TableError(
            f"table {path} cannot be read as parquet: {error}", remedy="run prepare_tables again"
        ) from error


def _message(name: str, frame: Frame, errors: list[SchemaError]) -> str:
    broken = [(_rule(error), _rows(error)) for error in errors]
    lines = [f"table {name} breaks {len(broken)} rule(s):"]
    lines += [f"  {rule}: {len(rows)} of {len(frame)} rows" if rows else f"  {rule}" for rule, rows in broken]
    rows = next((rows for _, rows in broken if rows), [])
    if rows:
        shown = frame.loc[rows[:MAX_ROWS_SHOWN]].astype(str).to_dict("records")
        lines += ["  rows that break it:", *(f"    {row}" for row in shown)]
    return "\n".join(lines)


def _rule(error: SchemaError) -> str:
    column = getattr(error.schema, "name", "")
    where = f"{column}: " if isinstance(error.schema, pa.Column) else ""
    words = {"SERIES_CONTAINS_NULLS": "is never missing", "SERIES_CONTAINS_DUPLICATES": "is unique"}
    reason = error.reason_code.name if error.reason_code else ""
    if reason == "DATAFRAME_CHECK":
        return where + str(getattr(error.check, "error", None) or error.check)
    return where + words.get(reason, str(error).split("\n")[0])


def _rows(error: SchemaError) -> list[object]:
    cases = error.failure_cases
    if not isinstance(cases, pd.DataFrame) or "index" not in cases:
        return []
    return list(dict.fromkeys(cases["index"].dropna()))
