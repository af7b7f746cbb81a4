"""Builds each request and reads each answer, without sending anything: the half that both clients share."""

from reflexio._calls.data import erase_user, export, get_retention, import_record, refused, set_retention
from reflexio._calls.interactions import delete_interaction, list_all_interactions, list_interactions
from reflexio._calls.publishing import publish
from reflexio._calls.requests import delete_everything, delete_request, delete_requests, delete_session, list_requests
from reflexio._calls.searching import search
from reflexio._calls.server import cancel_reindex, server_info, start_reindex, who_am_i

__all__ = [
    "cancel_reindex",
    "delete_everything",
    "delete_interaction",
    "delete_request",
    "delete_requests",
    "delete_session",
    "erase_user",
    "export",
    "get_retention",
    "import_record",
    "list_all_interactions",
    "list_interactions",
    "list_requests",
    "publish",
    "refused",
    "search",
    "server_info",
    "set_retention",
    "start_reindex",
    "who_am_i",
]
