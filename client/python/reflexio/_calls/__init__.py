"""Builds each request and reads each answer, without sending anything: the half that both clients share."""

from reflexio._calls.access import (
    change_password,
    create_account,
    create_api_key,
    create_certificate_identity,
    create_organization,
    delete_certificate_identity,
    list_accounts,
    list_api_keys,
    list_audit_events,
    list_certificate_identities,
    list_organizations,
    login,
    revoke_api_key,
    update_account,
)
from reflexio._calls.data import erase_user, export, get_retention, import_record, refused, set_retention
from reflexio._calls.interactions import delete_interaction, list_all_interactions, list_interactions
from reflexio._calls.publishing import publish
from reflexio._calls.requests import delete_everything, delete_request, delete_requests, delete_session, list_requests
from reflexio._calls.searching import search
from reflexio._calls.server import cancel_reindex, server_info, start_reindex, who_am_i

__all__ = [
    "cancel_reindex",
    "change_password",
    "create_account",
    "create_api_key",
    "create_certificate_identity",
    "create_organization",
    "delete_certificate_identity",
    "delete_everything",
    "delete_interaction",
    "delete_request",
    "delete_requests",
    "delete_session",
    "erase_user",
    "export",
    "get_retention",
    "import_record",
    "list_accounts",
    "list_all_interactions",
    "list_api_keys",
    "list_audit_events",
    "list_certificate_identities",
    "list_interactions",
    "list_organizations",
    "list_requests",
    "login",
    "publish",
    "refused",
    "revoke_api_key",
    "search",
    "server_info",
    "set_retention",
    "start_reindex",
    "update_account",
    "who_am_i",
]
