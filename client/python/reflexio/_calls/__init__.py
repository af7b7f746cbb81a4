"""Builds each request and reads each answer, without sending anything: the half that both clients share."""

from reflexio._calls.interactions import delete_interaction, list_all_interactions, list_interactions
from reflexio._calls.publishing import publish
from reflexio._calls.requests import delete_everything, delete_request, delete_requests, delete_session, list_requests
from reflexio._calls.searching import search
from reflexio._calls.server import server_info, who_am_i

__all__ = [
    "delete_everything",
    "delete_interaction",
    "delete_request",
    "delete_requests",
    "delete_session",
    "list_all_interactions",
    "list_interactions",
    "list_requests",
    "publish",
    "search",
    "server_info",
    "who_am_i",
]
