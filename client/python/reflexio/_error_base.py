"""What all errors of the client have; `reflexio.errors` has the errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One argument that breaks one rule."""

    field: str
    """Which, as the Python client names it: `end_time`, `interactions[0].role`."""
    description: str
    """What the rule asks for."""


class InsecureChannelWarning(UserWarning):
    """A key or a password travels in plain text to another machine."""


class ReflexioError(Exception):
    """Base of everything that the client raises.

    Where a server's answer or its absence was the reason, `__cause__` is the `grpc.RpcError`.
    """

    status = "UNKNOWN"
    """Name of the gRPC status, `INVALID_ARGUMENT` for example."""
    reason = "UNKNOWN"
    """Name of the `reflexio.v1.ErrorReason` without its prefix, `IDEMPOTENCY_KEY_REUSED` for example; the name of the
    status where there is no such reason."""
    metadata: Mapping[str, str] = MappingProxyType({})
    """Facts that belong to the reason, as the server sent them; `error_reason.proto` shows which."""
    field_violations: Sequence[FieldViolation] = ()
    """The arguments that were refused."""
    retry_after: float | None = None
    """Seconds after which the same call may succeed, where the server said so."""
    request_id: str | None = None
    """The call's `x-request-id`, by which the server's log knows it; None where no call was made."""
