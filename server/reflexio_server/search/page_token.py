"""Page tokens: opaque to callers, and bound to the query that they continue."""

import base64
import binascii
import hashlib
import struct
from uuid import UUID

from reflexio_server.domain.errors import FieldViolation, InvalidPageToken
from reflexio_server.domain.ids import InteractionId, RequestId
from reflexio_server.domain.interaction import Position
from reflexio_server.store.requests import RequestPosition

_FORMAT = struct.Struct(">B8sq16s")
_VERSION = 1

_LARGEST_ID = 2**63 - 1
"""Tokens are not signed: whatever number somebody puts into one, Postgres must be able to look for it."""


def token_behind(position: Position | RequestPosition, query: bytes) -> str:
    """The token of the page that goes on behind `position`.

    Args:
        position: Where the page before ended.
        query: Everything that determines the list, as bytes.
    """
    moment, which = position
    last = which.bytes if isinstance(which, UUID) else which.to_bytes(16)
    return base64.urlsafe_b64encode(_FORMAT.pack(_VERSION, _digest(query), moment, last)).decode().rstrip("=")


def interaction_position(token: str, query: bytes) -> Position | None:
    """Where to go on in a list of interactions; None at its beginning.

    Raises:
        InvalidPageToken: The token is not ours, or belongs to another query.
    """
    if not token:
        return None
    moment, last = _unpacked(token, query)
    interaction_id = int.from_bytes(last)
    if interaction_id > _LARGEST_ID:
        raise _not_ours()
    return moment, InteractionId(interaction_id)


def request_position(token: str, query: bytes) -> RequestPosition | None:
    """Where to go on in a list of requests; None at its beginning.

    Raises:
        InvalidPageToken: The token is not ours, or belongs to another query.
    """
    if not token:
        return None
    moment, last = _unpacked(token, query)
    return moment, RequestId(UUID(bytes=last))


def _unpacked(token: str, query: bytes) -> tuple[int, bytes]:
    try:
        padded = token + "=" * (-len(token) % 4)
        version, digest, moment, last = _FORMAT.unpack(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, struct.error, ValueError):
        version = 0
    if version != _VERSION:
        raise _not_ours()
    if digest != _digest(query):
        raise InvalidPageToken.one("page_token", "page_token.other_query", "belongs to a list with other conditions")
    return moment, last


def _not_ours() -> InvalidPageToken:
    return InvalidPageToken([FieldViolation("page_token", "page_token.format", "is no page token of this service")])


def _digest(query: bytes) -> bytes:
    return hashlib.blake2b(query, digest_size=8).digest()
