"""What the contract cannot say: rules that depend on the present moment or look into free-form data."""

import json
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from reflexio_server.domain.errors import InvalidFields

SECOND = 1_000_000_000
"""Nanoseconds."""

EARLIEST = -2_208_988_800 * SECOND
"""1 January 1900."""

LATEST = 9_223_372_036 * SECOND
"""11 April 2262: the last full second that 64 bits of nanoseconds hold."""

_AHEAD = 24 * 3600 * SECOND
"""How far in the future an interaction may lie: clocks differ, and time zones are mistaken for one another."""

_URI = re.compile(r"([a-z][a-z0-9+.-]*://|urn:)[!-~]+", re.IGNORECASE)


def moment(field: str, seconds: int, nanos: int) -> int:
    """The nanoseconds since the epoch of a `google.protobuf.Timestamp`, within what can be stored.

    Raises:
        InvalidFields: It is no timestamp, or lies outside 1900 to 2262.
    """
    nanoseconds = seconds * SECOND + nanos
    if not 0 <= nanos < SECOND or not EARLIEST <= nanoseconds <= LATEST:
        raise InvalidFields.one(field, "timestamp.range", "must be a time between the years 1900 and 2262")
    return nanoseconds


def bound(field: str, seconds: int, nanos: int) -> int:
    """The same for the bound of a span of time: beyond what can be stored it means the first or last moment.

    Raises:
        InvalidFields: It is no timestamp.
    """
    if not 0 <= nanos < SECOND:
        raise InvalidFields.one(field, "timestamp.range", "must have 0 to 999,999,999 nanoseconds")
    return min(max(seconds * SECOND + nanos, EARLIEST), LATEST)


def not_ahead(field: str, nanoseconds: int) -> int:
    """The same moment, if it does not lie more than a day in the future.

    Raises:
        InvalidFields: It does.
    """
    if nanoseconds > time.time_ns() + _AHEAD:
        raise InvalidFields.one(field, "timestamp.ahead", "must not lie more than a day in the future")
    return nanoseconds


def in_order(field: str, start_time: int | None, end_time: int | None) -> None:
    """Check that a span of time does not end before it begins.

    Raises:
        InvalidFields: It does.
    """
    if start_time is not None and end_time is not None and end_time < start_time:
        raise InvalidFields.one(field, "timestamp.order", "must not lie before start_time")


def http_url(field: str, url: str) -> str:
    """The same URL, if it is an absolute one of the web.

    Raises:
        InvalidFields: It is not.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and url.isprintable() and " " not in url
    except ValueError:
        valid = False
    if url and not valid:
        raise InvalidFields.one(field, "url.http", "must be an absolute http or https URL")
    return url


def certificate_uri(field: str, uri: str) -> str:
    """The same URI, if a certificate may have it as that: of ASCII, and absolute.

    Raises:
        InvalidFields: It is not.
    """
    if not _URI.fullmatch(uri):
        raise InvalidFields.one(
            field, "uri.absolute", "must be a URI with its scheme, such as spiffe://example.org/agent"
        )
    return uri


def json_object(field: str, value: Mapping[str, Any], deepest: int) -> int:
    """Check that a JSON object can be stored. Returns how many bytes it has, written as JSON.

    Raises:
        InvalidFields: It is nested deeper than `deepest`, or holds a NUL character.
    """
    _walk(field, value, deepest, deepest)
    return len(json.dumps(value).encode())


def _walk(field: str, value: object, depth: int, deepest: int) -> None:
    if depth < 0:
        raise InvalidFields.one(field, "struct.depth", f"must not be nested more than {deepest} deep")
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidFields.one(field, "string.not_contains", "must not contain a NUL character")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _walk(field, key, depth, deepest)
            _walk(field, inner, depth - 1, deepest)
    elif isinstance(value, list):
        for inner in value:
            _walk(field, inner, depth - 1, deepest)
