"""What a shop would write first, for bench/serving.py: plain BentoML services that answer ``/understand``.

Both read ``BENCH_SERVICE``, a JSON of what they serve; settings are BentoML's own.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import bentoml

SETTING = "BENCH_SERVICE"


@bentoml.service
class PipelinePerHead:
    """One model and one `transformers` pipeline for each head, asked one after another.

    ``{"encoder": folder, "labels": {head: number}, "max_tokens": {head: number}}``: the models are
    the encoder with a new classifier each; what they answer is arbitrary, what they cost is not.
    """

    def __init__(self) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

        served = json.loads(os.environ[SETTING])
        self.pipelines = {
            head: pipeline(
                "text-classification",
                AutoModelForSequenceClassification.from_pretrained(served["encoder"], num_labels=number),
                tokenizer=AutoTokenizer.from_pretrained(served["encoder"], model_max_length=served["max_tokens"][head]),
            )
            for head, number in served["labels"].items()
        }

    @bentoml.api
    def understand(self, text: str, top: int = 10) -> dict[str, Any]:
        """The best labels of every head."""
        return {head: ask(text, top_k=top, truncation=True) for head, ask in self.pipelines.items()}


@bentoml.service
class SharedEager:
    """One pass of the checkpoint's encoder in eager float32 for each request, and all its text heads on the vector.

    ``{"checkpoint": folder}``, the one in a bento. Heads and answers are those of the product's own service.
    """

    def __init__(self) -> None:
        from bench._direct import direct_scorer

        self.scorer = direct_scorer(Path(json.loads(os.environ[SETTING])["checkpoint"]))

    @bentoml.api
    def understand(self, text: str, top: int = 10) -> dict[str, Any]:
        """The answers of every head."""
        return self.scorer.understand(text, top)
