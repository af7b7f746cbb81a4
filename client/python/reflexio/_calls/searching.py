"""The call that searches, and the conditions that searches and lists share."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import UTC
from typing import Any

from reflexio._calls.call import Call, Method
from reflexio._calls.fields import (
    choice,
    condition,
    flag,
    integer,
    number,
    optional_text,
    refuse_unknown,
    text,
    wrong_type,
)
from reflexio._calls.results import interaction_from
from reflexio._calls.timestamps import last_moment, timestamp
from reflexio.errors import invalid_argument
from reflexio.models import (
    QueryInterpretation,
    ScoreExplanation,
    SearchInteractionsRequest,
    SearchInteractionsResponse,
    SearchMode,
)
from reflexio.v1 import interaction_pb2
from reflexio.v1 import interaction_service_pb2 as pb

SEARCH = Method(
    "reflexio.v1.InteractionService",
    "SearchInteractions",
    pb.SearchInteractionsRequest,
    pb.SearchInteractionsResponse,
)

_MODES = {
    SearchMode.VECTOR: pb.SEARCH_MODE_VECTOR,
    SearchMode.FTS: pb.SEARCH_MODE_FTS,
    SearchMode.HYBRID: pb.SEARCH_MODE_HYBRID,
}
CONDITIONS = ("request_id", "session_id", "start_time", "end_time", "role", "source", "most_recent_k")
"""What an `InteractionFilter` has; the arguments have the same names."""

_DEFAULTS = {field.name: field.default for field in fields(SearchInteractionsRequest)}


def search(request: Any, keywords: SearchInteractionsRequest) -> Call[SearchInteractionsResponse]:
    """One search, from a request object, from keyword arguments, or from both where they do not contradict each other.

    Args:
        request: A `SearchInteractionsRequest`, a dict, or None.
        keywords: The arguments that were given beside it, or their defaults.
    """
    wanted = _merged(_values(request), _values(keywords))
    if wanted["user_id"] is None:
        raise invalid_argument("user_id", "is missing")
    message = pb.SearchInteractionsRequest(
        user_id=text("user_id", wanted["user_id"]),
        query=optional_text("query", wanted["query"]),
        filter=interaction_filter(**{name: wanted[name] for name in CONDITIONS}),
        search_mode=_MODES[choice("search_mode", wanted["search_mode"], SearchMode)],
        include_images=flag("include_images", wanted["include_images"]),
        explain=flag("explain", wanted["explain"]),
    )
    if wanted["top_k"] is not None:
        message.top_k = integer("top_k", wanted["top_k"])
    if wanted["min_score"] is not None:
        message.min_score = number("min_score", wanted["min_score"])
    return Call(SEARCH, message, _response)


def interaction_filter(
    *,
    request_id: Any = None,
    session_id: Any = None,
    start_time: Any = None,
    end_time: Any = None,
    role: Any = None,
    source: Any = None,
    most_recent_k: Any = None,
) -> interaction_pb2.InteractionFilter:
    """Conditions on interactions; None stands for any."""
    message = interaction_pb2.InteractionFilter(
        request_id=condition("request_id", request_id),
        session_id=condition("session_id", session_id),
        role=condition("role", role),
        source=condition("source", source),
    )
    if start_time is not None:
        message.start_time.CopyFrom(timestamp("start_time", start_time))
    if end_time is not None:
        message.end_time.CopyFrom(last_moment("end_time", end_time))
    if most_recent_k is not None:
        message.most_recent_k = integer("most_recent_k", most_recent_k)
    return message


def _values(request: Any) -> dict[str, Any]:
    if request is None:
        return _DEFAULTS
    if isinstance(request, SearchInteractionsRequest):
        return {name: getattr(request, name) for name in _DEFAULTS}
    if isinstance(request, Mapping):
        refuse_unknown("request", request, _DEFAULTS)
        return _DEFAULTS | dict(request)
    raise wrong_type("request", "a SearchInteractionsRequest or a dict (other arguments need their names)", request)


def _merged(request: dict[str, Any], keywords: dict[str, Any]) -> dict[str, Any]:
    merged = dict(request)
    for name, value in keywords.items():
        if value == _DEFAULTS[name]:
            continue
        if request[name] not in (_DEFAULTS[name], value):
            raise invalid_argument(name, "was given twice, in the request and beside it, with different values")
        merged[name] = value
    return merged


def _response(answer: pb.SearchInteractionsResponse) -> SearchInteractionsResponse:
    return SearchInteractionsResponse(
        interactions=[interaction_from(hit.interaction, hit.score, _explanation(hit)) for hit in answer.hits],
        msg="; ".join(_sentences(answer)),
        not_yet_embedded_count=answer.not_yet_embedded_count,
        truncated=answer.truncated,
        set_aside_count=answer.set_aside_count,
        words_only=answer.words_only,
        interpretation=_interpretation(answer),
    )


def _explanation(hit: pb.SearchHit) -> ScoreExplanation | None:
    if not hit.HasField("explanation"):
        return None
    parts = hit.explanation
    return ScoreExplanation(
        words=parts.words, meaning=parts.meaning, role=parts.role, time=parts.time, statement=parts.statement
    )


def _interpretation(answer: pb.SearchInteractionsResponse) -> QueryInterpretation | None:
    if not answer.HasField("interpretation"):
        return None
    spans = [(span.start_time.ToDatetime(UTC), span.end_time.ToDatetime(UTC)) for span in answer.interpretation.spans]
    return QueryInterpretation(roles=list(answer.interpretation.roles), spans=spans)


def _sentences(answer: pb.SearchInteractionsResponse) -> Iterator[str]:
    yield f"{len(answer.hits)} found"
    if answer.not_yet_embedded_count:
        yield f"{answer.not_yet_embedded_count} so new that only their words were searched"
    if answer.set_aside_count:
        yield f"the embedding model failed on {answer.set_aside_count}, of which only their words were searched"
    if answer.words_only:
        yield "only words were searched, because the embedding model failed on the query"
    if answer.truncated:
        yield "more were left out because the answer would have become too large"
