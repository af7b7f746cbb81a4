"""What the end of an attempt means for a publish.

A fault of the server (INTERNAL and the like) says not whose doing it is: that of this very publish, which would then
block its session for ever, or of an outage that the server has no better name for, in which nothing may be lost. Other
publishes tell: a fault counts only if one was stored between it and the fault before. While none is, in an outage or
where the publish's own session is all there is, it is kept and tried; what ends that is the idempotency key, which the
server forgets seven days after the first attempt (`expiry`), or `max_age`.
"""

from enum import Enum, auto

from reflexio import errors

_REFUSED = {"INVALID_ARGUMENT", "ALREADY_EXISTS", "NOT_FOUND", "FAILED_PRECONDITION", "OUT_OF_RANGE"}
_FAULTS = {"INTERNAL", "UNKNOWN", "DATA_LOSS"}
_SERVER_AWAY = {"UNAVAILABLE", "CANCELLED", "UNAUTHENTICATED", "UNIMPLEMENTED"}

MOST_FAULTS = 12
"""How many faults, others being published between them, show that the publish is their cause: two minutes or more."""


class Verdict(Enum):
    """What to do next."""

    REFUSE = auto()
    """It will never be stored: drop it, and go on with its session."""
    WAIT = auto()
    """Its session waits; others go on."""
    WAIT_SLOWLY = auto()
    """The same, where somebody has to repair something first."""
    ASK_SERVER = auto()
    """All wait until the server answers again."""


def is_fault(error: errors.ReflexioError) -> bool:
    """Whether the server failed in a way that may be the publish's doing."""
    return error.status in _FAULTS


def verdict(error: errors.ReflexioError, faults: int) -> Verdict:
    """What to do with a publish that failed.

    Args:
        error: How the attempt ended.
        faults: How many of this publish's attempts, this one included, ended in a fault of the server that counts.
    """
    if error.status in _SERVER_AWAY:
        return Verdict.ASK_SERVER
    if error.status == "PERMISSION_DENIED":
        return Verdict.WAIT_SLOWLY
    if error.status in _REFUSED or is_too_large(error):
        return Verdict.REFUSE
    if is_fault(error) and faults >= MOST_FAULTS:
        return Verdict.REFUSE
    return Verdict.WAIT


def is_too_large(error: errors.ReflexioError) -> bool:
    """Whether the message is above the server's limit: gRPC's own refusal, which has no reason of ours."""
    return error.status == error.reason == "RESOURCE_EXHAUSTED" and "larger than max" in str(error)
