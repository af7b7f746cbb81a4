"""The messages that the client sends, as it builds them: the bare server gets the same bytes."""

from typing import Any

from reflexio import SearchInteractionsRequest, _calls
from reflexio.v1 import interaction_service_pb2 as pb

SOURCE = "benchmark"


def publish_request(user_id: str, interactions: list[dict[str, Any]], *, wait: bool) -> pb.PublishInteractionsRequest:
    """What `publish_interaction` sends."""
    call = _calls.publish(
        user_id=user_id,
        interactions=interactions,
        source=SOURCE,
        agent_version="",
        session_id=session_of(user_id),
        wait_for_response=wait,
        skip_aggregation=False,
        force_extraction=False,
        request_group=None,
        idempotency_key=None,
        endpoint_url="",
    )
    return call.request


def search_request(user_id: str, query: str, mode: str) -> pb.SearchInteractionsRequest:
    """What `search_interactions` sends."""
    wanted = SearchInteractionsRequest(user_id=user_id, query=query, search_mode=mode)
    return _calls.search(wanted, SearchInteractionsRequest()).request


def session_of(user_id: str) -> str:
    """The session into which a user publishes."""
    return f"session of {user_id}"
