"""The BentoML service. ``/livez``, ``/readyz`` and ``/metrics`` come with BentoML.

One worker, and the endpoints are plain functions on its 32 threads, so that the event loop stays free to answer
probes. Features and heads are small and run in the request's thread; all texts go through the few threads of
`serving.encoding`, which use the cores in batches. More throughput comes from more replicas. `serving.guard`
bounds how many wait.

Heavy modules are imported when a worker starts, because BentoML also imports this file in the process that
supervises the worker, where torch and feast would cost seconds and half a gigabyte for nothing.
"""

from __future__ import annotations

import atexit
import functools
import gc
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bentoml

from polymart.errors import PolymartError
from serving.contract import (
    AdsRequest,
    AdsResponse,
    DemandRequest,
    DemandResponse,
    EventRequest,
    EventResponse,
    FeedbackRequest,
    FeedbackResponse,
    FraudRequest,
    FraudResponse,
    HouseholdRequest,
    HouseholdResponse,
    PictureRequest,
    PictureResponse,
    RecommendRequest,
    RecommendResponse,
    SearchRequest,
    SearchResponse,
    UnderstandRequest,
    UnderstandResponse,
)
from serving.experiments import Experiments, own_variant
from serving.guard import Guard, verify_release
from serving.guard.answers import refusal
from serving.guard.load import RETRY_S
from serving.log.notes import note_inputs, noting, request_notes
from serving.log.scores import count_answer
from serving.page import page_app

MAX_TORCH_THREADS = 4
PACKAGED_CHECKPOINT = Path(__file__).resolve().parents[1] / "checkpoint"
"""Where `serving.packaging` puts the checkpoint: beside the packages in the bento's source folder."""


def refusing(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Answer errors of ours with their status and message instead of BentoML's general ones."""

    @functools.wraps(endpoint)
    def answered(self: Any, request: Any, /) -> Any:
        try:
            with noting(endpoint.__name__):
                return endpoint(self, request)
        except PolymartError as error:
            # Without a status of its own it means that release and feature store do not fit: not the caller's fault.
            status = getattr(error, "status", 503)
            return refusal(status, error.message, error.remedy, retry_after_s=RETRY_S if status == 503 else None)

    return answered


@bentoml.service(
    name="polymart",
    workers=1,
    threads=32,
    # Spans are started, filled and dropped for every request even where nobody collects them: a tenth of its time.
    tracing={} if os.environ.get("POLYMART_TRACING") else {"excluded_urls": ".*"},
    envs=[
        {"name": "BENTOML_DO_NOT_TRACK", "value": "True"},
        {"name": "HF_HUB_OFFLINE", "value": "1"},
        # glibc keeps what batches of long texts took once for ever, in as many arenas as there are threads
        {"name": "MALLOC_ARENA_MAX", "value": "2"},
        {"name": "MALLOC_TRIM_THRESHOLD_", "value": "131072"},
    ],
)
class PolymartService:
    """All decisions of the shop from one checkpoint."""

    def __init__(self) -> None:
        gc.disable()  # nearly all that a start makes stays: to look through it again and again takes a second
        try:
            self._load()
        finally:
            gc.enable()
        # What was loaded stays: looking through its 600,000 objects for garbage would stop every request for 0.3 s.
        gc.freeze()
        atexit.register(gc.unfreeze)  # else extension modules complain of leaks in the log of a server that ends

    def _load(self) -> None:
        from serving.ahead import open_ahead
        from serving.catalogue import catalogue_folder, open_catalogue
        from serving.events.feedback import FeedbackLog
        from serving.events.taking import Events
        from serving.log.prediction import log_from_environment
        from serving.startup import load_scorer

        self.log = log_from_environment()
        self.told = FeedbackLog(self.log.folder) if self.log else None
        self.variant = own_variant()
        checkpoint = Path(os.environ.get("POLYMART_CHECKPOINT") or PACKAGED_CHECKPOINT)
        self.scorer = load_scorer(checkpoint, os.environ.get("POLYMART_FEATURE_STORE", ""), MAX_TORCH_THREADS)
        self.catalogue = open_catalogue(catalogue_folder(checkpoint), self.scorer.predictor)
        verify_release(self.scorer.digest)
        store = os.environ.get("POLYMART_FEATURE_STORE")
        self.happenings = Events(Path(store) if store else None)
        self.ahead = open_ahead(self.scorer, store)

    @bentoml.on_shutdown
    def close(self) -> None:
        """End what reads ahead, write the rest of the prediction log and of the feedback."""
        if self.ahead is not None:
            self.ahead.close()
        for log in (self.log, self.told):
            if log is not None:
                log.close()

    @bentoml.api
    @refusing
    def recommend(self, request: RecommendRequest, /) -> RecommendResponse:
        """The categories and products that a household will buy next, best first."""
        from serving.answers.recommend import recommend

        started = time.perf_counter()
        found = recommend(self.scorer, self.catalogue, request)
        stamp = self._stamp()
        household = {"household_id": request.household_id}
        for item in found["items"][:1]:
            self._record(
                started, stamp, "next_category", item["label"], item["score"], outputs=found["items"], **household
            )
        for item in found["products"][:1]:
            self._record(
                started, stamp, "next_product", item["item_id"], item["score"], outputs=found["products"], **household
            )
        return RecommendResponse(**stamp, **household, **found)

    @bentoml.api
    @refusing
    def search(self, request: SearchRequest, /) -> SearchResponse:
        """The products that a query asks for, best first."""
        from serving.answers.search import search

        started = time.perf_counter()
        note_inputs(query_text=request.query)
        products = search(self.scorer, self.catalogue, request)
        stamp = self._stamp()
        for best in products[:1]:
            self._record(started, stamp, "search_relevance", best["score"], best["score"], outputs=products)
        return SearchResponse(**stamp, products=products)

    @bentoml.api
    @refusing
    def ads(self, request: AdsRequest, /) -> AdsResponse:
        """The given campaigns, ranked by how likely the household is to redeem one of their coupons."""
        from serving.answers.ads import rank_campaigns

        started = time.perf_counter()
        found = rank_campaigns(self.scorer, request)
        stamp = self._stamp()
        for item in found["items"]:
            self._record(
                started,
                stamp,
                "coupon_response",
                item["score"],
                item["score"],
                household_id=request.household_id,
                campaign_id=item["campaign_id"],
            )
        return AdsResponse(**stamp, household_id=request.household_id, **found)

    @bentoml.api
    @refusing
    def demand(self, request: DemandRequest, /) -> DemandResponse:
        """Units of a category that a store will sell in the coming weeks, as quantiles, and what to order."""
        from serving.answers.demand import forecast

        started = time.perf_counter()
        found = forecast(self.scorer, request)
        stamp, keys = self._stamp(), request.model_dump(include={"category_id", "store_id"})
        median = found["quantiles"]["q50"]
        self._record(started, stamp, "demand", median, median, outputs=found, **keys)
        return DemandResponse(**stamp, **keys, weeks=request.weeks, **found)

    @bentoml.api
    @refusing
    def understand(self, request: UnderstandRequest, /) -> UnderstandResponse:
        """What every text-only task of the release says about a text."""
        started = time.perf_counter()
        note_inputs(text=request.text)
        tasks = self.scorer.understand(request.text, request.top)
        stamp = self._stamp()
        for task, answer in tasks.items():
            self._record(started, stamp, task, answer.get("label"), answer.get("score"), outputs=answer)
        return UnderstandResponse(**stamp, tasks=tasks)

    @bentoml.api
    @refusing
    def picture(self, request: PictureRequest, /) -> PictureResponse:
        """What every picture task of the release says about a picture."""
        from serving.answers.picture import see

        started = time.perf_counter()
        tasks = see(self.scorer, request.image, request.top)
        stamp = self._stamp()
        for task, answer in tasks.items():
            self._record(started, stamp, task, answer["label"], answer["score"], outputs=answer)
        return PictureResponse(**stamp, tasks=tasks)

    @bentoml.api
    @refusing
    def fraud(self, request: FraudRequest, /) -> FraudResponse:
        """How likely a payment is fraud."""
        from serving.answers.fraud import fraud_score

        started = time.perf_counter()
        score = fraud_score(self.scorer, request)
        stamp = self._stamp()
        self._record(started, stamp, "fraud", score, score)
        return FraudResponse(**stamp, score=score)

    @bentoml.api
    @refusing
    def household(self, request: HouseholdRequest, /) -> HouseholdResponse:
        """Whether a household will come back, and what it will buy again."""
        from serving.answers.household import foresee, logged

        started = time.perf_counter()
        found = foresee(self.scorer, request)
        stamp = self._stamp()
        for task, score, keys in logged(found):
            self._record(started, stamp, task, score, score, household_id=request.household_id, **keys)
        return HouseholdResponse(**stamp, household_id=request.household_id, **found)

    @bentoml.api
    @refusing
    def events(self, request: EventRequest, /) -> EventResponse:
        """Folds a basket that was just paid into its household's features; the next answer knows it."""
        told = self.happenings.take(request)
        if self.ahead is not None and told.outcome == "applied":
            self.ahead.tell(request.household_id)
        return told

    @bentoml.api
    @refusing
    def feedback(self, request: FeedbackRequest, /) -> FeedbackResponse:
        """Keeps what became of an answer; it is joined to the prediction as its label."""
        if self.told is not None:
            self.told.tell(request)
        return FeedbackResponse(prediction_id=request.prediction_id, recorded=self.told is not None)

    def _stamp(self) -> dict[str, str]:
        return {"prediction_id": uuid.uuid4().hex, "checkpoint": self.scorer.digest, "variant": self.variant}

    def _record(
        self,
        started: float,
        stamp: dict[str, str],
        task: str,
        prediction: Any,
        score: float | None,
        *,
        outputs: Any = None,
        **keys: int,
    ) -> None:
        """Count an answer and put one row into the prediction log: the only way into it.

        Args:
            started: `time.perf_counter` when the request began.
            stamp: what `_stamp` gave; a request that asks several tasks leaves several rows under one id.
            task: the task that answered.
            prediction: the answer in one word or number.
            score: its score, where it has one.
            outputs: the whole answer, best entries first; the first ten are logged.
            keys: ids of the entities that the answer is about, ``household_id`` among them.
        """
        notes = request_notes()
        count_answer(task, score, degraded=notes["degraded"])
        if self.log is not None:
            self.log.add({
                **stamp, **notes, **keys, "task": task, "score": score, "outputs": outputs,
                "prediction": None if prediction is None else str(prediction),
                "latency_ms": 1000 * (time.perf_counter() - started),
            })  # fmt: skip


PolymartService.mount_asgi_app(page_app())  # type: ignore[attr-defined]
PolymartService.add_asgi_middleware(Guard)  # type: ignore[attr-defined]
PolymartService.add_asgi_middleware(Experiments)  # type: ignore[attr-defined]
