"""What can go wrong, as values that know what the caller needs.

ReflexioError
├── InvalidFields              one or more fields break a rule
│   └── InvalidPageToken
├── InvalidImage
├── MalformedRequest           the bytes are no message of the method's type
├── IdempotencyKeyReused
├── ImportConflict             something else has an id of what is to be imported
├── NotReady                   starting or stopping
├── DatabaseUnavailable
├── StorageFull
├── EmbeddingModelUnavailable  it cannot be loaded, or fails on a query
├── ReindexUnderWay            another embedding model is being built
├── TooManyCalls
├── BacklogFull                too much waits for being embedded
├── RateLimited                too much in a second with one credential
├── StreamIdle                 nothing came, or was read, for too long
├── …                          those of callers and accounts are in `identity_errors`
└── InternalError              a fault of the server
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Self


class Reason(Enum):
    """Why a call failed. Names are those of `reflexio.v1.ErrorReason` without its prefix."""

    INVALID_FIELD = auto()
    MALFORMED_REQUEST = auto()
    INVALID_IMAGE = auto()
    INVALID_PAGE_TOKEN = auto()
    IDEMPOTENCY_KEY_REUSED = auto()
    NOT_READY = auto()
    DATABASE_UNAVAILABLE = auto()
    INTERNAL = auto()
    IMPORT_CONFLICT = auto()
    STORAGE_FULL = auto()
    MODEL_UNAVAILABLE = auto()
    REINDEX_UNDER_WAY = auto()
    TOO_MANY_CALLS = auto()
    BACKLOG_FULL = auto()
    RATE_LIMITED = auto()
    STREAM_IDLE = auto()
    API_KEY_MISSING = auto()
    API_KEY_INVALID = auto()
    PERMISSION_DENIED = auto()
    LOGIN_REFUSED = auto()
    TOO_MANY_LOGINS = auto()
    NAME_TAKEN = auto()
    NOT_FOUND = auto()
    LAST_ADMIN = auto()
    TOO_MANY_API_KEYS = auto()
    NO_ACCOUNT = auto()


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that breaks one rule."""

    field: str
    """Where: a path as in `interactions[0].role`."""
    rule: str
    """Which rule, for programs: `string.min_len`."""
    description: str
    """What the rule asks for, for people."""


class ReflexioError(Exception):
    """A call that cannot be answered, for a reason that the caller is told."""

    reason: Reason
    retry_after: float | None = None
    """Seconds after which the same call may succeed; None where repeating it is no use."""

    def __init__(self, message: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})

    @property
    def violations(self) -> Sequence[FieldViolation]:
        """The fields that break a rule, where that is what went wrong."""
        return ()


class InvalidFields(ReflexioError):
    """A request has fields that break a rule. Nothing was changed."""

    reason = Reason.INVALID_FIELD

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        first = violations[0]
        told = "; ".join(f"{each.field or 'request'}: {each.description}" for each in violations[:2])
        rest = violations[2:]
        more = f" (and {len(rest)} more)" if rest else ""
        super().__init__(f"{told}{more}", {"field": first.field, "rule": first.rule})
        self._violations = tuple(violations)

    @property
    def violations(self) -> Sequence[FieldViolation]:
        """The fields that break a rule: one at least."""
        return self._violations

    def within(self, field: str) -> Self:
        """The same, told of a message in whose `field` the one that was looked at stands."""
        return type(self)([replace(violation, field=f"{field}.{violation.field}") for violation in self._violations])

    @classmethod
    def one(cls, field: str, rule: str, description: str) -> "InvalidFields":
        """The error for a single field."""
        return cls([FieldViolation(field, rule, description)])


class InvalidImage(InvalidFields):
    """An image is not of a known format, is damaged or is too large."""

    reason = Reason.INVALID_IMAGE


class InvalidPageToken(InvalidFields):
    """A page token is not ours, or belongs to another query."""

    reason = Reason.INVALID_PAGE_TOKEN


class MalformedRequest(ReflexioError):
    """The bytes of a request are no message of the method's type."""

    reason = Reason.MALFORMED_REQUEST

    def __init__(self, method: str) -> None:
        super().__init__(f"the request is no message that {method} takes", {"method": method})


class IdempotencyKeyReused(ReflexioError):
    """An idempotency key came back with other content."""

    reason = Reason.IDEMPOTENCY_KEY_REUSED

    def __init__(self, key: str) -> None:
        super().__init__(
            f"idempotency key {key!r} was used for a publish with other content; nothing was stored",
            {"idempotency_key": key},
        )


class ImportConflict(ReflexioError):
    """Something else has an id of a request that is to be imported. Nothing of it was stored."""

    reason = Reason.IMPORT_CONFLICT

    def __init__(self, kind: str, request_id: str) -> None:
        whose = "a request of another user, session or time" if kind == "request_id" else "another request"
        super().__init__(
            f"{whose} has {'the' if kind == 'request_id' else 'an'} {kind} of request {request_id}; nothing was stored",
            {"id": kind, "request_id": request_id},
        )


class NotReady(ReflexioError):
    """The server is starting or stopping."""

    reason = Reason.NOT_READY
    retry_after = 1.0

    def __init__(self, state: str) -> None:
        super().__init__(f"the server is {state}; try again in a moment", {"state": state})


class DatabaseUnavailable(ReflexioError):
    """The database cannot be reached, or does not do its work for now."""

    reason = Reason.DATABASE_UNAVAILABLE
    retry_after = 1.0

    def __init__(self, state: str = "cannot be reached") -> None:
        """`state` says what is the matter with the database."""
        super().__init__(f"the database {state}; try again in a moment")


class StorageFull(ReflexioError):
    """The database refuses to grow: its disk or its memory is full. The change was undone."""

    reason = Reason.STORAGE_FULL
    retry_after = 30.0

    def __init__(self) -> None:
        super().__init__("the database is full and the change was undone; try again when its operator has made room")


PASSING_FAULTS = (DatabaseUnavailable, StorageFull)
"""What background work waits out, however long it takes: nothing is wrong with the work itself."""


class EmbeddingModelUnavailable(ReflexioError):
    """An embedding model cannot be loaded, or fails."""

    reason = Reason.MODEL_UNAVAILABLE

    def __init__(self, model: str, message: str) -> None:
        super().__init__(message, {"embedding_model": model})


class ReindexUnderWay(ReflexioError):
    """Another embedding model is being built."""

    reason = Reason.REINDEX_UNDER_WAY

    def __init__(self, model: str) -> None:
        super().__init__(
            f"the embedding model {model!r} is being built; wait until that is done, or cancel it",
            {"embedding_model": model},
        )


class TooManyCalls(ReflexioError):
    """The server is working on as many calls as it takes at once."""

    reason = Reason.TOO_MANY_CALLS
    retry_after = 1.0

    def __init__(self, scope: str, limit: int, *, whose: str = "") -> None:
        """`scope` is "calls", "streams" or "exports"; `whose` is "key" or "organization" if all are the caller's."""
        of_whom = f" of this {whose}" if whose else ""
        super().__init__(
            f"the server is working on {limit} {scope}{of_whom}, and takes no more at once; try again in a moment",
            {"scope": scope, "limit": str(limit)},
        )


class BacklogFull(ReflexioError):
    """Too many interactions wait for being embedded. Nothing was stored."""

    reason = Reason.BACKLOG_FULL
    retry_after = 5.0

    def __init__(self, scope: str, waiting: int, limit: int) -> None:
        """`scope` is "user" or "organization"."""
        super().__init__(
            f"about {waiting} interactions of this {scope} wait for being embedded, and at most {limit} may; "
            "nothing was stored, try again later",
            {"scope": scope, "waiting": str(waiting), "limit": str(limit)},
        )


class RateLimited(ReflexioError):
    """More came with one credential than it may send in a second. Nothing was changed."""

    reason = Reason.RATE_LIMITED
    retry_after = 1.0

    def __init__(self, scope: str, limit: float, seconds: float) -> None:
        """`scope` is "calls" or "interactions"; after `seconds` there is room."""
        super().__init__(
            f"more than {limit:g} {scope} a second came with this key; try again in {seconds:.1f} seconds",
            {"scope": scope, "limit": f"{limit:g}"},
        )
        self.retry_after = seconds


class StreamIdle(ReflexioError):
    """A stream waited too long for its caller."""

    reason = Reason.STREAM_IDLE
    retry_after = 0.0

    def __init__(self, limit: float) -> None:
        super().__init__(
            f"nothing was sent or read on this stream for {limit:g} seconds; open another one when needed",
            {"limit": f"{limit:g}"},
        )


class InternalError(ReflexioError):
    """A fault of the server. Its text stays here; the log has it under the request id."""

    reason = Reason.INTERNAL

    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"the server failed; its log has the details under request id {request_id}", {"request_id": request_id}
        )
