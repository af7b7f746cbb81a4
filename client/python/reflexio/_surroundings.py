"""What a call takes along of the program around it: the request id that it chose, and its OpenTelemetry trace."""

import hashlib
import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from reflexio.errors import invalid_argument

_SANE_ID = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?")
_KEY = re.compile(r"[0-9a-z_.-]+(?<!-bin)")
_VALUE = re.compile(r"[ -~]+")

_chosen: ContextVar[str | None] = ContextVar("reflexio_x_request_id", default=None)


@contextmanager
def x_request_id(request_id: str) -> Iterator[None]:
    """Have the calls in the block travel under an `x-request-id` of your own, the one of a web request for example.

    The server's log names it in each line about these calls, and `error.request_id` is it. Without, each call gets a
    random one. It is not the `request_id` of what is stored. Calls in other threads are not concerned, those of
    `BackgroundPublisher` among them.

    Args:
        request_id: 1 to 128 printable characters of ASCII, with no space at either end.

    Raises:
        InvalidArgumentError: It is something else.
    """
    if not isinstance(request_id, str) or not _SANE_ID.fullmatch(request_id):
        raise invalid_argument("request_id", "must be 1 to 128 printable ASCII characters with no space at either end")
    token = _chosen.set(request_id)
    try:
        yield
    finally:
        _chosen.reset(token)


def request_id_of_call() -> str:
    """The `x-request-id` of a call that is about to be made."""
    return _chosen.get() or str(uuid.uuid4())


def affinity(user_id: str) -> str:
    """By what a proxy may send the calls of one user to one replica, which then has that user's index in memory.

    A digest: proxies log headers, and need not know users.
    """
    return hashlib.blake2b(user_id.encode(), digest_size=8).hexdigest()


def trace_metadata() -> tuple[tuple[str, str], ...]:
    """The trace in progress as OpenTelemetry's propagators write it; nothing where this program does not use it."""
    if "opentelemetry" not in sys.modules:
        return ()
    try:
        from opentelemetry import propagate  # noqa: PLC0415 -- no dependency of ours, and not to be loaded for us.
    except ImportError:
        return ()
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    found = ((key.lower(), value) for key, value in carrier.items())
    # gRPC would refuse the whole call for the sake of one that it cannot carry.
    return tuple((key, value) for key, value in found if _KEY.fullmatch(key) and _VALUE.fullmatch(value))
