"""What a file or standard input asks to publish: read piece by piece, each with its place and its idempotency key."""

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, NoReturn

_TEXTS = ("user_id", "source", "agent_version", "session_id", "request_group", "idempotency_key")
_SWITCHES = ("skip_aggregation", "force_extraction")
_PUBLISH_FIELDS = frozenset((*_TEXTS, *_SWITCHES))


class BadEntryError(Exception):
    """A piece of the input cannot be published; the message says where it is, which field, and why."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One publish."""

    place: str
    """Where it was read, for people: `chat.jsonl:17`."""
    number: int
    """Its line, from 1; in a JSON document its position, from 1."""
    arguments: dict[str, Any]
    """What to call `publish_interaction` with."""
    size: int
    """How many bytes of the input it took, roughly: what a progress bar counts."""

    @property
    def count(self) -> int:
        """How many interactions it has."""
        return len(self.arguments["interactions"])


class Reader:
    """Reads publishes from JSON Lines or from one JSON document, without holding more of JSON Lines than a line.

    A line, or an element of a document that is a list, is a JSON object: either a publish, with its `interactions`
    in a list, or one bare interaction, which becomes a publish of its own. Either may carry the fields of a publish
    (`user_id`, `session_id`, `source`, …); where it does not, `defaults` hold. A document that is a list of nothing
    but bare interactions without such fields is one publish of them all.

    The first line tells which of the two it is: in JSON Lines it is an object by itself.

    A derived idempotency key stands for the publish's content, for which of several equal ones it is, and for
    `key_scope`. Lines may therefore be mended, moved and added between two runs.

    Args:
        stream: The input.
        name: What to call it when something is wrong.
        defaults: Fields of a publish that hold where the input has none.
        key_scope: What else idempotency keys are derived from. None derives none.
    """

    def __init__(self, stream: BinaryIO, name: str, defaults: Mapping[str, str], key_scope: str | None) -> None:
        self._stream = stream
        self._name = name
        self._defaults = defaults
        self._key_scope = key_scope
        self._repetitions: Counter[bytes] = Counter()

    def __iter__(self) -> Iterator[Entry]:
        """The publishes, in order.

        Raises:
            BadEntryError: A piece is no JSON, or no publish. Those before it were given out.
        """
        lines = enumerate(self._stream, 1)
        number, line = next(((number, line) for number, line in lines if line.strip()), (0, b""))
        if _is_object(line):
            yield from self._from_lines(itertools.chain([(number, line)], lines))
        elif line:
            yield from self._from_document(number, line + self._stream.read())

    def _from_lines(self, lines: Iterable[tuple[int, bytes]]) -> Iterator[Entry]:
        for number, line in lines:
            if line.strip():
                place = f"{self._name}:{number}"
                yield self._entry(place, number, parsed(line, place), len(line))

    def _from_document(self, first_line: int, text: bytes) -> Iterator[Entry]:
        document = parsed(text, self._name, first_line)
        if not isinstance(document, list):
            yield self._entry(self._name, 1, document, len(text))
        elif document and all(isinstance(piece, dict) and not _is_publish(piece) for piece in document):
            yield self._entry(self._name, 1, {"interactions": document}, len(text))
        else:
            for position, piece in enumerate(document):
                yield self._entry(f"{self._name}[{position}]", position + 1, piece, len(text) // len(document))

    def _entry(self, place: str, number: int, piece: Any, size: int) -> Entry:
        if not isinstance(piece, dict):
            raise BadEntryError(place, f"a JSON object is expected, not {_kind(piece)}")
        if "interactions" in piece:
            if "request_id" in piece:
                raise BadEntryError(place, "this is an export; `reflexio import` stores it")
            if unknown := piece.keys() - _PUBLISH_FIELDS - {"interactions"}:
                raise BadEntryError(
                    place, f"{min(unknown)}: a publish has no such field; has it one of an interaction?"
                )
            publish, interactions = piece, piece["interactions"]
        else:
            publish = {key: piece[key] for key in piece.keys() & _PUBLISH_FIELDS}
            interactions = [{key: value for key, value in piece.items() if key not in _PUBLISH_FIELDS}]
        given = {key: publish[key] for key in publish.keys() & _PUBLISH_FIELDS if publish[key] is not None}
        arguments: dict[str, Any] = {**self._defaults, **given}
        _check(arguments, place)
        arguments["interactions"] = _checked_interactions(interactions, place, bare="interactions" not in piece)
        if self._key_scope is not None and not arguments.get("idempotency_key"):
            arguments["idempotency_key"] = self._derived_key(piece, arguments)
        return Entry(place, number, arguments, size)

    def _derived_key(self, piece: dict[str, Any], arguments: dict[str, Any]) -> str:
        settled = {key: value for key, value in arguments.items() if key != "interactions"}
        content = json.dumps([self._key_scope, settled, piece], sort_keys=True)
        digest = hashlib.sha256(content.encode()).digest()
        self._repetitions[digest] += 1
        return f"{digest.hex()}-{self._repetitions[digest]}"


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(_load(line), dict)
    except (ValueError, RecursionError):
        return False


def _is_publish(piece: dict[str, Any]) -> bool:
    return "interactions" in piece or not _PUBLISH_FIELDS.isdisjoint(piece)


def _load(text: bytes) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def parsed(text: bytes, place: str, first_line: int | None = None) -> Any:
    """What a piece of JSON holds; `place` is where it stands, and `first_line` the line where it begins in a document.

    Raises:
        BadEntryError: It is no JSON.
    """
    try:
        return _load(text)
    except json.JSONDecodeError as error:
        where = f"{place}:{first_line + error.lineno - 1}" if first_line else place
        raise BadEntryError(where, f"no JSON: {error.msg} at column {error.colno}") from None
    except UnicodeDecodeError as error:
        raise BadEntryError(place, f"no JSON: byte {error.start} is no UTF-8") from None
    except RecursionError:
        raise BadEntryError(place, "no JSON that can be read: it is nested too deep") from None
    except ValueError as error:
        raise BadEntryError(place, f"no JSON: {error}") from None


def _check(arguments: dict[str, Any], place: str) -> None:
    for field, value in arguments.items():
        if field in _TEXTS and not isinstance(value, str):
            raise BadEntryError(place, f"{field}: a string is expected, not {_kind(value)}")
        if field in _SWITCHES and not isinstance(value, bool):
            raise BadEntryError(place, f"{field}: true or false is expected, not {_kind(value)}")
    if not arguments.get("user_id"):
        raise BadEntryError(place, "user_id: missing; give it here or with --user")


def _checked_interactions(interactions: Any, place: str, *, bare: bool) -> list[dict[str, Any]]:
    if not isinstance(interactions, list):
        raise BadEntryError(place, f"interactions: a list is expected, not {_kind(interactions)}")
    checked = []
    for index, interaction in enumerate(interactions):
        field = "" if bare else f"interactions[{index}]"
        if not isinstance(interaction, dict):
            raise BadEntryError(place, f"{field}: an object is expected, not {_kind(interaction)}")
        checked.append(_with_time(interaction, place, field))
    return checked


def _with_time(interaction: dict[str, Any], place: str, field: str) -> dict[str, Any]:
    created_at = interaction.get("created_at")
    if not isinstance(created_at, str):
        return interaction
    try:
        return interaction | {"created_at": datetime.fromisoformat(created_at).astimezone()}
    except (ValueError, OverflowError):
        name = f"{field}.created_at".lstrip(".")
        raise BadEntryError(place, f"{name}: seconds since 1970 or an ISO 8601 time is expected") from None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
