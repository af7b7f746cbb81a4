"""What users give to the client and get from it: plain dataclasses, independent of the wire."""

from reflexio.models.access import (
    Account,
    ApiKey,
    AuditEvent,
    CertificateIdentity,
    ChangePasswordResponse,
    CreateApiKeyResponse,
    CreateOrganizationResponse,
    LoginToken,
    Organization,
)
from reflexio.models.data import EraseUserResponse, ImportOutcome, ImportResult
from reflexio.models.interaction import (
    Interaction,
    InteractionData,
    PublishData,
    ScoreExplanation,
    ToolUse,
    UserActionType,
)
from reflexio.models.request import Request, RequestData, SessionData
from reflexio.models.responses import (
    DeleteAllInteractionsResponse,
    DeleteInteractionResponse,
    DeleteRequestResponse,
    DeleteRequestsByIdsResponse,
    DeleteSessionResponse,
    GetInteractionsResponse,
    GetInteractionsViewResponse,
    GetRequestsResponse,
    PublishUserInteractionResponse,
    SearchInteractionsResponse,
)
from reflexio.models.search import QueryInterpretation, SearchInteractionsRequest, SearchMode
from reflexio.models.server import CancelReindexResponse, Reindex, ServerInfo, SetAsideInteraction, WhoAmI

__all__ = [
    "Account",
    "ApiKey",
    "AuditEvent",
    "CancelReindexResponse",
    "CertificateIdentity",
    "ChangePasswordResponse",
    "CreateApiKeyResponse",
    "CreateOrganizationResponse",
    "DeleteAllInteractionsResponse",
    "DeleteInteractionResponse",
    "DeleteRequestResponse",
    "DeleteRequestsByIdsResponse",
    "DeleteSessionResponse",
    "EraseUserResponse",
    "GetInteractionsResponse",
    "GetInteractionsViewResponse",
    "GetRequestsResponse",
    "ImportOutcome",
    "ImportResult",
    "Interaction",
    "InteractionData",
    "LoginToken",
    "Organization",
    "PublishData",
    "PublishUserInteractionResponse",
    "QueryInterpretation",
    "Reindex",
    "Request",
    "RequestData",
    "ScoreExplanation",
    "SearchInteractionsRequest",
    "SearchInteractionsResponse",
    "SearchMode",
    "ServerInfo",
    "SessionData",
    "SetAsideInteraction",
    "ToolUse",
    "UserActionType",
    "WhoAmI",
]
