"""For every RPC of the contract: calls that would show or change what is another organisation's, if any did."""

import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from google.protobuf.message import Message
from reflexio.v1 import access_service_pb2 as access
from reflexio.v1 import data_service_pb2 as data
from reflexio.v1 import interaction_service_pb2 as interactions
from reflexio.v1 import request_service_pb2 as requests
from reflexio.v1 import server_service_pb2 as server

from tests.rpc.wire import FAILURES, refused
from tests.tenancy.organisations import EMAIL, SESSION, USER, Organisation, publish_under_key

Calls = Callable[[Organisation, Organisation], Iterable[Message]]
"""Of one organisation, given the other."""


def _publish(own: Organisation, _other: Organisation) -> Iterable[Message]:
    yield publish_under_key(own)
    yield interactions.PublishInteractionsRequest(user_id=USER, interactions=[{"content": "more"}], session_id=SESSION)


def _search(_own: Organisation, other: Organisation) -> Iterable[Message]:
    for user_id in (USER, other.own_user_id):
        for mode in (interactions.SEARCH_MODE_VECTOR, interactions.SEARCH_MODE_FTS, interactions.SEARCH_MODE_HYBRID):
            for query in (f"the password is {other.secret}", "kettle", ""):
                yield interactions.SearchInteractionsRequest(
                    user_id=user_id, query=query, search_mode=mode, top_k=100, explain=bool(query), include_images=True
                )
    for where in ({"request_id": other.own_request_id}, {"session_id": other.own_session_id}, {"most_recent_k": 1}):
        yield interactions.SearchInteractionsRequest(user_id=USER, query="kettle", filter=where)


def _import(_own: Organisation, other: Organisation) -> Iterable[Message]:
    now = {"seconds": int(time.time())}
    # Under ids that the other has: they are not taken here.
    said = [{"interaction_id": other.own_first_id, "content": "mine", "created_at": now}]
    record = {"request_id": other.own_request_id, "user_id": USER, "created_at": now, "interactions": said}
    yield data.ImportDataRequest(request=record)


_PASSWORD, _NO_PASSWORD = "correct horse battery", "not the password"

CALLS: Mapping[str, Calls] = {
    "PublishInteractions": _publish,
    "StreamPublishInteractions": lambda own, other: [
        interactions.StreamPublishInteractionsRequest(publish=publish) for publish in _publish(own, other)
    ],
    "SearchInteractions": _search,
    "ListInteractions": lambda _own, other: [
        interactions.ListInteractionsRequest(user_id=user_id, page_size=1000, include_images=True)
        for user_id in (USER, other.own_user_id)
    ],
    "ListAllInteractions": lambda _own, _other: [
        interactions.ListAllInteractionsRequest(page_size=1000, include_images=True)
    ],
    "DeleteInteraction": lambda own, other: [
        interactions.DeleteInteractionRequest(user_id=user_id, interaction_id=interaction_id, wait_for_response=True)
        for user_id, interaction_id in ((USER, own.first_id), (other.own_user_id, other.own_first_id))
    ],
    "ListRequests": lambda _own, other: [
        requests.ListRequestsRequest(page_size=1000),
        requests.ListRequestsRequest(user_id=USER),
        requests.ListRequestsRequest(user_id=other.own_user_id),
        requests.ListRequestsRequest(request_id=other.own_request_id),
        requests.ListRequestsRequest(session_id=other.own_session_id),
    ],
    "DeleteRequest": lambda own, other: [
        requests.DeleteRequestRequest(request_id=request_id, wait_for_response=True)
        for request_id in (own.request_id, other.own_request_id)
    ],
    "BatchDeleteRequests": lambda own, other: [
        requests.BatchDeleteRequestsRequest(request_ids=[own.request_id, other.own_request_id])
    ],
    "DeleteSession": lambda _own, other: [
        requests.DeleteSessionRequest(session_id=SESSION, wait_for_response=True),
        requests.DeleteSessionRequest(session_id=other.own_session_id, wait_for_response=True),
    ],
    "DeleteAllInteractions": lambda _own, _other: [requests.DeleteAllInteractionsRequest()],
    "EraseUser": lambda _own, other: [
        data.EraseUserRequest(user_id=USER),
        data.EraseUserRequest(user_id=other.own_user_id),
    ],
    "ExportData": lambda _own, other: [
        data.ExportDataRequest(),
        data.ExportDataRequest(user_id=USER),
        data.ExportDataRequest(user_id=other.own_user_id),
    ],
    "ImportData": _import,
    "GetRetention": lambda _own, _other: [data.GetRetentionRequest()],
    "UpdateRetention": lambda _own, _other: [
        data.UpdateRetentionRequest(max_age={"seconds": 86_400}),
        data.UpdateRetentionRequest(),
    ],
    "WhoAmI": lambda _own, _other: [server.WhoAmIRequest()],
    "GetServerInfo": lambda _own, _other: [server.GetServerInfoRequest()],
    # To the model that is active already; what a real change does to both is tested beside this.
    "StartReindex": lambda _own, _other: [server.StartReindexRequest()],
    "CancelReindex": lambda _own, _other: [server.CancelReindexRequest()],
    "Login": lambda _own, other: [
        access.LoginRequest(email=email, password=_NO_PASSWORD) for email in (EMAIL, other.own_email)
    ],
    "ChangePassword": lambda _own, other: [
        access.ChangePasswordRequest(email=other.own_email, current_password=_NO_PASSWORD, new_password=_PASSWORD)
    ],
    "CreateApiKey": lambda _own, other: [
        access.CreateApiKeyRequest(name="mine"),
        access.CreateApiKeyRequest(name="theirs", account_email=EMAIL),
        access.CreateApiKeyRequest(name="theirs", account_email=other.own_email),
    ],
    "ListApiKeys": lambda _own, other: [
        access.ListApiKeysRequest(include_revoked=True, page_size=1000),
        access.ListApiKeysRequest(account_email=other.own_email),
    ],
    "RevokeApiKey": lambda _own, other: [
        access.RevokeApiKeyRequest(api_key_id=key_id) for key_id in other.tenant.key_ids.values()
    ],
    "CreateAccount": lambda _own, other: [access.CreateAccountRequest(email=other.own_email, password=_PASSWORD)],
    "ListAccounts": lambda _own, _other: [access.ListAccountsRequest(page_size=1000)],
    "UpdateAccount": lambda _own, other: [access.UpdateAccountRequest(email=other.own_email, disabled=True)],
    "CreateOrganization": lambda _own, other: [
        access.CreateOrganizationRequest(name=other.tenant.name, admin_email=EMAIL, admin_password=_PASSWORD)
    ],
    "ListOrganizations": lambda _own, _other: [access.ListOrganizationsRequest()],
    "CreateCertificateIdentity": lambda _own, other: [
        access.CreateCertificateIdentityRequest(uri="spiffe://mesh/a", organization_name=other.tenant.name)
    ],
    "ListCertificateIdentities": lambda _own, _other: [access.ListCertificateIdentitiesRequest()],
    "DeleteCertificateIdentity": lambda _own, _other: [access.DeleteCertificateIdentityRequest(uri="spiffe://mesh/a")],
    "ListAuditEvents": lambda _own, _other: [access.ListAuditEventsRequest(page_size=1000)],
}

_NOBODYS_ID = 9_000_000_000_000
_NOBODYS = "nobody"
_NOBODYS_EMAIL = "nobody@example.com"

ORACLES: Mapping[str, Callable[[Organisation], tuple[Message, Message]]] = {
    "SearchInteractions": lambda other: (
        interactions.SearchInteractionsRequest(user_id=other.own_user_id, query="kettle"),
        interactions.SearchInteractionsRequest(user_id=_NOBODYS, query="kettle"),
    ),
    "ListInteractions": lambda other: (
        interactions.ListInteractionsRequest(user_id=other.own_user_id),
        interactions.ListInteractionsRequest(user_id=_NOBODYS),
    ),
    "DeleteInteraction": lambda other: (
        interactions.DeleteInteractionRequest(
            user_id=other.own_user_id, interaction_id=other.own_first_id, wait_for_response=True
        ),
        interactions.DeleteInteractionRequest(
            user_id=other.own_user_id, interaction_id=_NOBODYS_ID, wait_for_response=True
        ),
    ),
    "ListRequests": lambda other: (
        requests.ListRequestsRequest(request_id=other.own_request_id),
        requests.ListRequestsRequest(request_id=str(uuid4())),
    ),
    "DeleteRequest": lambda other: (
        requests.DeleteRequestRequest(request_id=other.own_request_id, wait_for_response=True),
        requests.DeleteRequestRequest(request_id=str(uuid4()), wait_for_response=True),
    ),
    "BatchDeleteRequests": lambda other: (
        requests.BatchDeleteRequestsRequest(request_ids=[other.own_request_id]),
        requests.BatchDeleteRequestsRequest(request_ids=[str(uuid4())]),
    ),
    "DeleteSession": lambda other: (
        requests.DeleteSessionRequest(session_id=other.own_session_id, wait_for_response=True),
        requests.DeleteSessionRequest(session_id=_NOBODYS, wait_for_response=True),
    ),
    "EraseUser": lambda other: (
        data.EraseUserRequest(user_id=other.own_user_id),
        data.EraseUserRequest(user_id=_NOBODYS),
    ),
    "ExportData": lambda other: (
        data.ExportDataRequest(user_id=other.own_user_id),
        data.ExportDataRequest(user_id=_NOBODYS),
    ),
    "Login": lambda other: (
        access.LoginRequest(email=other.own_email, password=_NO_PASSWORD),
        access.LoginRequest(email=_NOBODYS_EMAIL, password=_NO_PASSWORD),
    ),
    "ChangePassword": lambda other: (
        access.ChangePasswordRequest(email=other.own_email, current_password=_NO_PASSWORD, new_password=_PASSWORD),
        access.ChangePasswordRequest(email=_NOBODYS_EMAIL, current_password=_NO_PASSWORD, new_password=_PASSWORD),
    ),
    "CreateApiKey": lambda other: (
        access.CreateApiKeyRequest(name="k", account_email=other.own_email),
        access.CreateApiKeyRequest(name="k", account_email=_NOBODYS_EMAIL),
    ),
    "ListApiKeys": lambda other: (
        access.ListApiKeysRequest(account_email=other.own_email),
        access.ListApiKeysRequest(account_email=_NOBODYS_EMAIL),
    ),
    "RevokeApiKey": lambda other: (
        access.RevokeApiKeyRequest(api_key_id=min(other.tenant.key_ids.values())),
        access.RevokeApiKeyRequest(api_key_id=_NOBODYS_ID),
    ),
    "UpdateAccount": lambda other: (
        access.UpdateAccountRequest(email=other.own_email, disabled=True),
        access.UpdateAccountRequest(email=_NOBODYS_EMAIL, disabled=True),
    ),
}
"""Pairs of calls: one for what only the other organisation has, one for what nobody has."""


async def shown_by(call: Awaitable[Any]) -> list[str]:
    """What a call tells its caller, whether it is answered or refused."""
    try:
        answer = await call
    except FAILURES as error:
        refusal = await refused(_raising(error))
        return [str(replace(refusal, request_id=""))]
    return [re.sub(r"\s+", " ", str(message)) for message in (answer if isinstance(answer, list) else [answer])]


async def _raising(error: Exception) -> None:
    raise error
