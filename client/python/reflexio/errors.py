"""What can go wrong when the client is used.

ReflexioError
├── InvalidArgumentError (ValueError)          an argument breaks a rule; nothing was changed
│   ├── InvalidImageError                      an image is of no known format, damaged or too large
│   ├── InvalidPageTokenError
│   └── MalformedRequestError                  client and server do not speak the same version
├── AlreadyExistsError
│   ├── IdempotencyKeyReusedError              the key was used for a publish with other content
│   ├── ImportConflictError                    something else has an id of what was to be imported
│   └── NameTakenError                         there is an account or organisation of this name
├── UnavailableError                           trying again later may help
│   ├── ServerUnreachableError (ConnectionError)   nothing answered at the endpoint
│   ├── NotReadyError                          the server is starting or stopping
│   ├── DatabaseUnavailableError
│   └── StreamIdleError                        nothing was sent or read on a stream for too long
├── DeadlineExceededError (TimeoutError)       no answer within the timeout
├── ResourceExhaustedError                     too much at once, or a message too large
│   ├── StorageFullError                       the server's database is full
│   ├── TooManyCallsError                      the server is working on as many calls as it takes
│   ├── BacklogFullError                       too much waits for being embedded; nothing was stored
│   ├── RateLimitedError                       too much in a second with one API key; nothing was changed
│   └── TooManyLoginsError                     too many logins failed
├── UnauthenticatedError                       no API key, or not a valid one
│   ├── ApiKeyMissingError                     the server asks for one, and none was given
│   ├── ApiKeyInvalidError                     it is unknown or revoked, or its account is disabled
│   └── LoginRefusedError                      address or password wrong, or the organisation is to be named
├── PermissionDeniedError                      the API key may not do this
├── NotFoundError
├── FailedPreconditionError
│   ├── ModelUnavailableError                  an embedding model cannot be loaded, or fails on a query
│   ├── ReindexUnderWayError                   the change to another embedding model is under way
│   ├── LastAdminError                         the organisation would have no administrator left
│   ├── TooManyApiKeysError                    the account has as many keys as it may have
│   └── NoAccountError                         the caller has no account, and none was named
├── UnimplementedError                         the server does not know the method
├── InternalError                              a fault of the server
├── CallCancelledError
├── ClientClosedError (RuntimeError)           the client was used after close()
└── SpoolError, SpoolFullError, PublishExpiredError   of `BackgroundPublisher`, which say themselves what they mean

Branch on the class or on `reason`, never on the text. A reason that this version of the client does not know becomes
the class that belongs to the gRPC status, so an old client makes sense of a newer server.
"""

from reflexio._error_base import FieldViolation as FieldViolation  # noqa: PLC0414  # For type checkers: it is public.
from reflexio._error_base import ReflexioError as ReflexioError  # noqa: PLC0414  # Likewise.


class InvalidArgumentError(ReflexioError, ValueError):
    """An argument breaks a rule, found here or by the server; `field_violations` names it. Nothing was changed."""

    status = "INVALID_ARGUMENT"
    reason = "INVALID_FIELD"


class InvalidImageError(InvalidArgumentError):
    """An image is no PNG, JPEG, GIF or WebP, is damaged, or is too large."""

    reason = "INVALID_IMAGE"


class InvalidPageTokenError(InvalidArgumentError):
    """A page token was not made by this service, or belongs to another query."""

    reason = "INVALID_PAGE_TOKEN"


class MalformedRequestError(InvalidArgumentError):
    """The server could not read the request: client and server are of versions that do not fit."""

    reason = "MALFORMED_REQUEST"


class AlreadyExistsError(ReflexioError):
    """What was to be made exists already."""

    status = reason = "ALREADY_EXISTS"


class IdempotencyKeyReusedError(AlreadyExistsError):
    """The idempotency key belongs to a publish with other content. Nothing was stored."""

    reason = "IDEMPOTENCY_KEY_REUSED"


class ImportConflictError(AlreadyExistsError):
    """Something else has an id of the request that was to be imported. Nothing of it was stored."""

    reason = "IMPORT_CONFLICT"


class NameTakenError(AlreadyExistsError):
    """There is an account, an organisation or a certificate identity of this name; `metadata` says what."""

    reason = "NAME_TAKEN"


class UnavailableError(ReflexioError):
    """The service cannot answer now. The client has already tried several times."""

    status = reason = "UNAVAILABLE"


class ServerUnreachableError(UnavailableError, ConnectionError):
    """No Reflexio server answered at the endpoint; the message says what was tried and what to check."""


class NotReadyError(UnavailableError):
    """The server is starting or stopping."""

    reason = "NOT_READY"


class DatabaseUnavailableError(UnavailableError):
    """The server cannot reach its database."""

    reason = "DATABASE_UNAVAILABLE"


class StreamIdleError(UnavailableError):
    """Nothing was sent or read on a stream for too long, and the server ended it."""

    reason = "STREAM_IDLE"


class DeadlineExceededError(ReflexioError, TimeoutError):
    """No answer came within the timeout. What was asked for may have been done, or be done yet."""

    status = reason = "DEADLINE_EXCEEDED"


class ResourceExhaustedError(ReflexioError):
    """The server refused to take on more, or a message was too large; `retry_after` says when to try again."""

    status = reason = "RESOURCE_EXHAUSTED"


class StorageFullError(ResourceExhaustedError):
    """The server's database refuses to grow: its disk or its memory is full. The change was undone."""

    reason = "STORAGE_FULL"


class TooManyCallsError(ResourceExhaustedError):
    """The server is working on as many calls as it takes at once. Nothing was changed."""

    reason = "TOO_MANY_CALLS"


class BacklogFullError(ResourceExhaustedError):
    """Too many interactions of the user, or of the organisation, wait for being embedded. Nothing was stored."""

    reason = "BACKLOG_FULL"


class RateLimitedError(ResourceExhaustedError):
    """More came with one API key than it may send in a second. Nothing was changed."""

    reason = "RATE_LIMITED"


class TooManyLoginsError(ResourceExhaustedError):
    """Too many logins failed, for this address or from here. The password was not looked at."""

    reason = "TOO_MANY_LOGINS"


class UnauthenticatedError(ReflexioError):
    """The server wants an API key and got none, or one that is not valid."""

    status = reason = "UNAUTHENTICATED"


class ApiKeyMissingError(UnauthenticatedError):
    """The server asks for an API key: give `api_key`, set `REFLEXIO_API_KEY`, or log in."""

    reason = "API_KEY_MISSING"


class ApiKeyInvalidError(UnauthenticatedError):
    """The API key is unknown or revoked, or its account is disabled."""

    reason = "API_KEY_INVALID"


class LoginRefusedError(UnauthenticatedError):
    """The email address is unknown, the password wrong, or the account disabled.

    Where no organisation is named, the account is the oldest of the address.
    """

    reason = "LOGIN_REFUSED"


class PermissionDeniedError(ReflexioError):
    """The API key is valid, but may not do this. `metadata` says which role is `needed` and which `role` it has."""

    status = reason = "PERMISSION_DENIED"


class NotFoundError(ReflexioError):
    """What was named does not exist."""

    status = reason = "NOT_FOUND"


class FailedPreconditionError(ReflexioError):
    """The service is not in a state in which this can be done."""

    status = reason = "FAILED_PRECONDITION"


class ModelUnavailableError(FailedPreconditionError):
    """An embedding model cannot be loaded, or fails on a query: other search modes than `vector` need no model."""

    reason = "MODEL_UNAVAILABLE"


class ReindexUnderWayError(FailedPreconditionError):
    """The change to another embedding model is under way."""

    reason = "REINDEX_UNDER_WAY"


class LastAdminError(FailedPreconditionError):
    """The organisation would have no administrator left who is not disabled. Nothing was changed."""

    reason = "LAST_ADMIN"


class TooManyApiKeysError(FailedPreconditionError):
    """The account has as many keys as it may have: revoke some that nobody uses."""

    reason = "TOO_MANY_API_KEYS"


class NoAccountError(FailedPreconditionError):
    """The caller has no account, and the call names none."""

    reason = "NO_ACCOUNT"


class UnimplementedError(ReflexioError):
    """The server does not know the method: it is older than the client, or no Reflexio server."""

    status = reason = "UNIMPLEMENTED"


class InternalError(ReflexioError):
    """A fault of the server; its log has the details under `request_id`."""

    status = reason = "INTERNAL"


class CallCancelledError(ReflexioError):
    """The call was cancelled on its way."""

    status = reason = "CANCELLED"


class ClientClosedError(ReflexioError, RuntimeError):
    """The client was used after `close()`, or closed by someone else during the call."""

    status = "CANCELLED"
    reason = "CLIENT_CLOSED"


def invalid_argument(field: str, description: str) -> InvalidArgumentError:
    """The error for an argument that is refused before anything is sent."""
    error = InvalidArgumentError(f"{field}: {description}")
    error.field_violations = (FieldViolation(field, description),)
    error.metadata = {"field": field}
    return error
