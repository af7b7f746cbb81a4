"""Reflexio remembers what people and agents said to each other.

The shortest useful program, with a server started by `reflexio serve`:

    import reflexio

    client = reflexio.ReflexioClient()
    client.publish_interaction("user_123", [{"role": "User", "content": "I drink my coffee black."}])
    for found in client.search_interactions(user_id="user_123", query="hot drinks").interactions:
        print(found.role, found.content, found.score)

`AsyncReflexioClient` has the same methods, awaited. Every error is a `ReflexioError`;
`reflexio.errors` draws their tree.
"""

from reflexio._async import AsyncReflexioClient
from reflexio._sync import ReflexioClient
from reflexio._version import __version__
from reflexio.errors import (
    AlreadyExistsError,
    CallCancelledError,
    ClientClosedError,
    DatabaseUnavailableError,
    DeadlineExceededError,
    FailedPreconditionError,
    FieldViolation,
    IdempotencyKeyReusedError,
    ImportConflictError,
    InternalError,
    InvalidArgumentError,
    InvalidImageError,
    InvalidPageTokenError,
    MalformedRequestError,
    NotFoundError,
    NotReadyError,
    PermissionDeniedError,
    ReflexioError,
    ResourceExhaustedError,
    ServerUnreachableError,
    StorageFullError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from reflexio.models import (
    DeleteAllInteractionsResponse,
    DeleteInteractionResponse,
    DeleteRequestResponse,
    DeleteRequestsByIdsResponse,
    DeleteSessionResponse,
    EraseUserResponse,
    GetInteractionsResponse,
    GetInteractionsViewResponse,
    GetRequestsResponse,
    ImportOutcome,
    ImportResult,
    Interaction,
    InteractionData,
    PublishUserInteractionResponse,
    Request,
    RequestData,
    SearchInteractionsRequest,
    SearchInteractionsResponse,
    SearchMode,
    ServerInfo,
    SessionData,
    ToolUse,
    UserActionType,
    WhoAmI,
)

__all__ = [
    "AlreadyExistsError",
    "AsyncReflexioClient",
    "CallCancelledError",
    "ClientClosedError",
    "DatabaseUnavailableError",
    "DeadlineExceededError",
    "DeleteAllInteractionsResponse",
    "DeleteInteractionResponse",
    "DeleteRequestResponse",
    "DeleteRequestsByIdsResponse",
    "DeleteSessionResponse",
    "EraseUserResponse",
    "FailedPreconditionError",
    "FieldViolation",
    "GetInteractionsResponse",
    "GetInteractionsViewResponse",
    "GetRequestsResponse",
    "IdempotencyKeyReusedError",
    "ImportConflictError",
    "ImportOutcome",
    "ImportResult",
    "Interaction",
    "InteractionData",
    "InternalError",
    "InvalidArgumentError",
    "InvalidImageError",
    "InvalidPageTokenError",
    "MalformedRequestError",
    "NotFoundError",
    "NotReadyError",
    "PermissionDeniedError",
    "PublishUserInteractionResponse",
    "ReflexioClient",
    "ReflexioError",
    "Request",
    "RequestData",
    "ResourceExhaustedError",
    "SearchInteractionsRequest",
    "SearchInteractionsResponse",
    "SearchMode",
    "ServerInfo",
    "ServerUnreachableError",
    "SessionData",
    "StorageFullError",
    "ToolUse",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "UserActionType",
    "WhoAmI",
    "__version__",
]
