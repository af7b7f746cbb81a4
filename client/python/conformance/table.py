"""Reads steps of the table: placeholders, paths, and what is expected of an answer."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Step = dict[str, Any]
_PLACEHOLDER = re.compile(r"\{\{([\w-]+)\}\}")


class Unexpected(Exception):
    """Something is not as the table says."""


def filled_in(step: Step, values: Mapping[str, str]) -> Step:
    """The step with every placeholder replaced of which the value is known."""
    text = json.dumps(step)
    made: Step = json.loads(_PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text))
    return made


def expanded(step: Step) -> Any:
    """The request of a step, with the elements of its lists repeated."""
    request = dict(step["request"])
    for name, times in step.get("expand", {}).items():
        request[name] = request[name] * times
    return request


def at(value: Any, path: str) -> Any:
    """What is at a path; None where there is nothing."""
    return _at(value, path.split("."))


def _at(value: Any, names: list[str]) -> Any:
    for position, name in enumerate(names):
        if name == "*":
            return list(_each(value or [], names[position + 1 :]))
        if isinstance(value, list):
            value = value[int(name)] if int(name) < len(value) else None
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value


def _each(elements: list[Any], rest: list[str]) -> Iterator[Any]:
    for element in elements:
        found = _at(element, rest)
        if "*" in rest:
            yield from found
        elif found is not None:
            yield found


def look_at(answer: Any, step: Step) -> None:
    """Compare an answer with what the step expects of it.

    Raises:
        Unexpected: It is not so.
    """
    for path, expected in step.get("answer", {}).items():
        _compare(path, expected, at(answer, path))
    for path, expected in step.get("count", {}).items():
        _compare(f"elements of {path}", expected, len(at(answer, path) or []))
    for path, expected in step.get("distinct", {}).items():
        _compare(f"different elements of {path}", expected, len(set(at(answer, path) or [])))


def _compare(what: str, expected: Any, found: Any) -> None:
    if not _same(expected, found):
        raise Unexpected(f"{what}: expected {_written(expected)}, found {_written(found)}")


def _same(expected: Any, found: Any) -> bool:
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(_same(expected[name], found[name]) for name in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(_same, expected, found))
    # In Python True is 1.
    return isinstance(expected, bool) == isinstance(found, bool) and bool(expected == found)


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:300]
