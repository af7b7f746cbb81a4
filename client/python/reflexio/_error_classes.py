"""Which class of error stands for which reason of the contract, or else for which gRPC status."""

from reflexio.errors import (
    AlreadyExistsError,
    ApiKeyInvalidError,
    ApiKeyMissingError,
    BacklogFullError,
    CallCancelledError,
    DatabaseUnavailableError,
    DeadlineExceededError,
    FailedPreconditionError,
    IdempotencyKeyReusedError,
    ImportConflictError,
    InternalError,
    InvalidArgumentError,
    InvalidImageError,
    InvalidPageTokenError,
    LastAdminError,
    LoginRefusedError,
    MalformedRequestError,
    ModelUnavailableError,
    NameTakenError,
    NoAccountError,
    NotFoundError,
    NotReadyError,
    PermissionDeniedError,
    RateLimitedError,
    ReflexioError,
    ReindexUnderWayError,
    ResourceExhaustedError,
    ServerUnreachableError,
    StorageFullError,
    StreamIdleError,
    TooManyApiKeysError,
    TooManyCallsError,
    TooManyLoginsError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)

BY_REASON: dict[str, type[ReflexioError]] = {
    error.reason: error
    for error in (
        InvalidArgumentError,
        InvalidImageError,
        InvalidPageTokenError,
        MalformedRequestError,
        IdempotencyKeyReusedError,
        ImportConflictError,
        NotReadyError,
        DatabaseUnavailableError,
        StorageFullError,
        TooManyCallsError,
        BacklogFullError,
        RateLimitedError,
        StreamIdleError,
        InternalError,
        ModelUnavailableError,
        ReindexUnderWayError,
        ApiKeyMissingError,
        ApiKeyInvalidError,
        PermissionDeniedError,
        NotFoundError,
        LoginRefusedError,
        TooManyLoginsError,
        NameTakenError,
        LastAdminError,
        TooManyApiKeysError,
        NoAccountError,
    )
}

_BY_STATUS: dict[str, type[ReflexioError]] = {
    "ABORTED": UnavailableError,
    "DATA_LOSS": InternalError,
    "OUT_OF_RANGE": InvalidArgumentError,
    "UNKNOWN": InternalError,
} | {
    error.status: error
    for error in (
        InvalidArgumentError,
        AlreadyExistsError,
        UnavailableError,
        DeadlineExceededError,
        ResourceExhaustedError,
        UnauthenticatedError,
        PermissionDeniedError,
        NotFoundError,
        FailedPreconditionError,
        UnimplementedError,
        InternalError,
        CallCancelledError,
    )
}


def error_class(reason: str | None, status: str) -> type[ReflexioError]:
    """The class for a reason of the contract, without its prefix, or else for a gRPC status."""
    if status == "UNAVAILABLE" and reason is None:
        return ServerUnreachableError
    return BY_REASON.get(reason or "") or _BY_STATUS.get(status, ReflexioError)
