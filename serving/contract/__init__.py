"""Requests and responses of the service, one module per endpoint. Every input is bounded; an unknown key is refused.

A request outside its bounds is answered with 400 and the offending field; values are never echoed or logged.
"""

from serving.contract.ads import AdsRequest, AdsResponse, ScoredCampaign
from serving.contract.base import (
    MAX_ID,
    MAX_LIST,
    MAX_TEXT,
    MAX_TOP,
    EntityId,
    Refusal,
    Request,
    Response,
    Score,
    ScoredLabel,
    Text,
    Top,
)
from serving.contract.demand import DemandRequest, DemandResponse, Order, StockRequest
from serving.contract.events import BasketLine, EventRequest, EventResponse
from serving.contract.feedback import FeedbackRequest, FeedbackResponse
from serving.contract.fraud import FraudRequest, FraudResponse
from serving.contract.household import HouseholdRequest, HouseholdResponse, Repurchase
from serving.contract.picture import MAX_PICTURE, MAX_PIXELS, PICTURE_TYPES, PictureRequest, PictureResponse
from serving.contract.recommend import Product, RecommendedProduct, RecommendRequest, RecommendResponse
from serving.contract.search import FoundProduct, SearchRequest, SearchResponse
from serving.contract.understand import UnderstandRequest, UnderstandResponse

__all__ = [
    "MAX_ID",
    "MAX_LIST",
    "MAX_PICTURE",
    "MAX_PIXELS",
    "MAX_TEXT",
    "MAX_TOP",
    "PICTURE_TYPES",
    "AdsRequest",
    "AdsResponse",
    "BasketLine",
    "DemandRequest",
    "DemandResponse",
    "EntityId",
    "EventRequest",
    "EventResponse",
    "FeedbackRequest",
    "FeedbackResponse",
    "FoundProduct",
    "FraudRequest",
    "FraudResponse",
    "HouseholdRequest",
    "HouseholdResponse",
    "Order",
    "PictureRequest",
    "PictureResponse",
    "Product",
    "RecommendRequest",
    "RecommendResponse",
    "RecommendedProduct",
    "Refusal",
    "Repurchase",
    "Request",
    "Response",
    "Score",
    "ScoredCampaign",
    "ScoredLabel",
    "SearchRequest",
    "SearchResponse",
    "StockRequest",
    "Text",
    "Top",
    "UnderstandRequest",
    "UnderstandResponse",
]
