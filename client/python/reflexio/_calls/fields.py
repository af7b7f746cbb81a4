"""Checks what only the client can check: that values are of types and sizes that a request can carry.

Rules about content (lengths, formats) are the server's. Whatever is refused here is named the way it was given.
"""

import math
import operator
import os
from collections.abc import AsyncIterable, Iterable, Mapping
from difflib import get_close_matches
from enum import Enum
from typing import Any, TypeVar

from reflexio.errors import InvalidArgumentError, invalid_argument

E = TypeVar("E", bound=Enum)

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1


def text(name: str, value: Any) -> str:
    """A string that can be sent: UTF-8 knows no half surrogate pairs."""
    if not isinstance(value, str):
        raise wrong_type(name, "a str", value)
    try:
        # Looking whether it is ASCII costs nothing, and is all that most texts need.
        value.isascii() or value.encode()
    except UnicodeEncodeError as error:
        raise invalid_argument(name, f"has a lone surrogate at position {error.start}; it is not valid text") from error
    return value


def optional_text(name: str, value: Any) -> str:
    """A string, or nothing."""
    return "" if value is None else text(name, value)


def condition(name: str, value: Any) -> str:
    """A condition that may be left out. An empty one is refused: on the wire it would mean no condition at all."""
    if value is None:
        return ""
    if text(name, value) == "":
        raise invalid_argument(name, "must not be empty; leave it out for no such condition")
    return str(value)


def flag(name: str, value: Any) -> bool:
    """True or False, and nothing that merely counts as such."""
    if not isinstance(value, bool):
        raise wrong_type(name, "a bool", value)
    return value


def integer(name: str, value: Any, largest: int = INT32_MAX) -> int:
    """A whole number that the field can hold; integers of other libraries are welcome."""
    try:
        number = operator.index(value)
    except TypeError as error:
        raise wrong_type(name, "an int", value) from error
    if isinstance(value, bool):
        raise wrong_type(name, "an int", value)
    if not -largest - 1 <= number <= largest:
        raise invalid_argument(name, f"must lie between {-largest - 1:,} and {largest:,}, not {number:,}")
    return number


def number(name: str, value: Any) -> float:
    """A finite number; those of other libraries are welcome."""
    if isinstance(value, bool | str | bytes):
        raise wrong_type(name, "a number", value)
    try:
        converted = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise wrong_type(name, "a number", value) from error
    if not math.isfinite(converted):
        raise invalid_argument(name, f"must be finite, not {value}")
    return converted


def wanted_count(name: str, value: Any) -> int:
    """How many items of a list are wanted, over all its pages: any number from 1."""
    number = integer(name, value, INT64_MAX)
    if number < 1:
        raise invalid_argument(name, f"must be at least 1, not {number}")
    return number


def choice(name: str, value: Any, kind: type[E]) -> E:
    """A member of a string enum, or its value or name in any case."""
    if not isinstance(value, str):
        raise wrong_type(name, f"a str or {kind.__name__}", value)
    try:
        return kind(value)
    except ValueError as error:
        allowed = [member.value for member in kind]
        hint = nearest(value.lower(), allowed)
        raise invalid_argument(name, f"must be one of {', '.join(allowed)}, not {value!r}{hint}") from error


def several(name: str, value: Any, of: str) -> list[Any]:
    """A list, or what can be made one, of things of which a single one was not given by mistake."""
    if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable):
        raise wrong_type(name, f"a list of {of}", value)
    return list(value)


def stream(name: str, value: Any, *, asynchronous: bool = False) -> Any:
    """What gives any number of dicts one after the other, and not what was taken for that by mistake.

    Args:
        name: How the argument is called.
        value: What it was given.
        asynchronous: Whether an asynchronous iterable will do.
    """
    if isinstance(value, (str, bytes, os.PathLike)):
        raise invalid_argument(name, "must be dicts, not a file name; json.loads each line")
    if hasattr(value, "readline"):
        raise invalid_argument(name, "must be dicts, not a file; json.loads each line")
    if isinstance(value, AsyncIterable) and (asynchronous or not isinstance(value, Iterable)):
        if not asynchronous:
            raise invalid_argument(name, "must be an iterable; asynchronous ones are for AsyncReflexioClient")
    elif isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise wrong_type(name, "an iterable of dicts", value)
    return value


def nearest(given: str, known: Iterable[str]) -> str:
    """The end of an error message: the name that was probably meant, or nothing."""
    close = get_close_matches(given, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def refuse_unknown(where: str, given: Iterable[Any], known: Iterable[str]) -> None:
    """Refuse keys that are not known.

    Raises:
        InvalidArgumentError: There is one; the message has the nearest known one.
    """
    names = list(known)
    for key in given:
        if key not in names:
            hint = nearest(str(key).lower(), names) or f"; known are {', '.join(names)}"
            raise invalid_argument(f"{where}.{key}" if where else str(key), f"is not known{hint}")


def wrong_type(name: str, wanted: str, value: Any) -> InvalidArgumentError:
    """The error for a value of another type than `wanted`."""
    return invalid_argument(name, f"must be {wanted}, not {type(value).__name__}")
