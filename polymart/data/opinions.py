"""Sentences with their mean human valence, from reviews of products and films, posts and editorials."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from polymart.data.tables import LabelInfo, Rules, Wanted, source_file, unit_hash, write_frame
from polymart.data.texts import drop_repeated, one_line
from polymart.errors import TableError

REVIEW_FILE = "amazonReviewSnippets_GroundTruth.txt"
FILES = {
    "product": REVIEW_FILE,
    "film": "movieReviewSnippets_GroundTruth.txt",
    "post": "tweets_GroundTruth.txt",
    "editorial": "nytEditorialSnippets_GroundTruth.txt",
}
"""What the sentences of a file are about, or where they come from."""
SENTIMENTS = ["negative", "neutral", "positive"]
NEUTRAL_WITHIN = 0.5
"""Mean human valence (-4 to 4) up to which a sentence counts as neutral."""
REVIEW_SHARES = {"test": 0.2, "val": 0.1}
OPINION_SHARES = {"test": 0.5, "val": 0.1}
"""Half of the opinions are for tests: what two models differ by on a text is small beside what texts differ by."""


def write_reviews(source: Path, tables: Path, rules: Rules, _wanted: Wanted = None) -> LabelInfo:
    """Write ``labels/sentiment``; see `read_reviews`."""
    write_frame(tables / "labels/sentiment.parquet", read_reviews(source, rules))
    return {"sentiment": {"labels": SENTIMENTS}}


def write_opinions(source: Path, tables: Path, rules: Rules, _wanted: Wanted = None) -> LabelInfo:
    """Write ``labels/opinion``; see `read_opinions`."""
    write_frame(tables / "labels/opinion.parquet", read_opinions(source, rules))
    return {"opinion": {"labels": None}}


def read_reviews(folder: Path, rules: Rules) -> pd.DataFrame:
    """Sentences of product reviews with their mean human valence.

    Returns:
        review_id, example_id (``review_sentence``), text, label (negative / neutral / positive by valence below
        -0.5, between, above 0.5), valence (-4 to 4), split (whole reviews, by a stable hash of review_id).

    Raises:
        TableError: the file is missing or a line has not the three fields id, valence, text.
    """
    frame = _read_lines(Path(source_file(folder, REVIEW_FILE, "amazon_graded")), "amazon_graded")
    frame = drop_repeated(frame, "labels/sentiment", rules)
    frame["review_id"] = _whole(frame.example_id)
    bounds = [-float("inf"), -NEUTRAL_WITHIN, NEUTRAL_WITHIN, float("inf")]
    frame["label"] = pd.cut(frame.valence, bounds, labels=SENTIMENTS).astype(str)
    # pd.cut closes intervals on the right: -0.5 itself is neutral
    frame.loc[frame.valence == -NEUTRAL_WITHIN, "label"] = "neutral"
    frame["split"] = [_split("sentiment", review, REVIEW_SHARES) for review in frame.review_id]
    return frame[["review_id", "example_id", "text", "label", "valence", "split"]].sort_values(
        "example_id", ignore_index=True
    )


def read_opinions(folder: Path, rules: Rules) -> pd.DataFrame:
    """Sentences of every file of `FILES`, graded by the same people in the same way.

    Returns:
        document_id (the review or editorial; a film's or a post's sentence stands alone), example_id, text, domain (a
        key of `FILES`), valence (-4 to 4), split (whole documents, by a stable hash of document_id).

    Raises:
        TableError: a file is missing or a line has not the three fields id, valence, text.
    """
    parts = {
        domain: _read_lines(Path(source_file(folder, name, "graded_opinions")), "graded_opinions")
        for domain, name in FILES.items()
    }
    frame = pd.concat([part.assign(domain=domain) for domain, part in parts.items()], ignore_index=True)
    frame = drop_repeated(frame, "labels/opinion", rules)
    frame["document_id"] = frame.domain + "_" + _whole(frame.example_id)
    frame["example_id"] = frame.domain + "_" + frame.example_id
    frame["split"] = [_split("opinion", document, OPINION_SHARES) for document in frame.document_id]
    columns = ["document_id", "example_id", "text", "domain", "valence", "split"]
    return frame[columns].sort_values("example_id", ignore_index=True)


def _whole(sentence_id: pd.Series) -> pd.Series:
    """The id of what a sentence comes from: ``12`` of ``12_3``, and of ``12``."""
    return sentence_id.str.split("_").str[0]


def _read_lines(path: Path, source: str) -> pd.DataFrame:
    try:
        frame = pd.read_csv(
            path,
            sep="\t",
            header=None,
            names=["example_id", "valence", "text"],
            dtype=str,
            quoting=csv.QUOTE_NONE,
            keep_default_na=False,
            encoding="utf-8",
            on_bad_lines="error",
        )
        frame["valence"] = pd.to_numeric(frame.valence).astype(float)
    except (ValueError, pd.errors.ParserError) as error:
        raise TableError(
            f"source {source}: {path} breaks the form 'id<TAB>valence<TAB>text': {error}",
            remedy="fetch the archive again",
        ) from error
    frame["text"] = one_line(frame.text)
    return frame


def _split(salt: str, document: str, shares: dict[str, float]) -> str:
    position = unit_hash(salt, document)
    for split, share in shares.items():
        if position < share:
            return split
        position -= share
    return "train"
