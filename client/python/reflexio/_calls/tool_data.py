"""A tool's data: a dict on one side, `google.protobuf.Struct` on the other."""

import math
from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value

from reflexio._calls.fields import text, wrong_type
from reflexio.errors import invalid_argument

MOST_NESTED = 32
"""How many dicts and lists may be inside each other: no protobuf library reads more."""

_EXACT_INT = 2**53


def struct_from(name: str, data: Any) -> Struct:
    """Make a Struct of a dict that JSON could hold.

    Raises:
        InvalidArgumentError: There is something in it that would not come back as it was; the message says where.
    """
    if not isinstance(data, Mapping):
        raise wrong_type(name, "a dict", data)
    struct = Struct()
    _fill_struct(struct, name, data, 1)
    return struct


def dict_from(struct: Struct) -> dict[str, Any]:
    """The dict of which a Struct was made. Whole numbers come back as int."""
    return {key: _python(value) for key, value in struct.fields.items()}


def _fill_struct(struct: Struct, name: str, data: Mapping[Any, Any], depth: int) -> None:
    for key, value in data.items():
        if not isinstance(key, str):
            raise invalid_argument(name, f"has the key {key!r}; keys must be str, as in JSON")
        _fill(struct.fields[text(f"{name} (a key)", key)], f"{name}.{key}", value, depth)
    # Else an empty one would count as not set.
    struct.SetInParent()


def _fill_list(target: ListValue, name: str, items: Any, depth: int) -> None:
    for index, item in enumerate(items):
        _fill(target.values.add(), f"{name}[{index}]", item, depth)
    target.SetInParent()


def _fill(target: Value, name: str, value: Any, depth: int) -> None:
    match value:
        case None:
            target.null_value = NULL_VALUE
        case bool():
            target.bool_value = value
        case str():
            target.string_value = text(name, value)
        case int() | float():
            target.number_value = _number(name, value)
        case Mapping():
            _refuse_too_deep(name, depth)
            _fill_struct(target.struct_value, name, value, depth + 1)
        case list() | tuple():
            _refuse_too_deep(name, depth)
            _fill_list(target.list_value, name, value, depth + 1)
        case _:
            raise invalid_argument(name, f"is of type {type(value).__name__}, which JSON does not have")


def _number(name: str, value: float) -> float:
    if isinstance(value, int) and abs(value) > _EXACT_INT:
        raise invalid_argument(name, "is an int beyond 2**53, which would lose its last digits; send it as a str")
    if not math.isfinite(value):
        raise invalid_argument(name, f"is {value}, which JSON does not have")
    return float(value)


def _refuse_too_deep(name: str, depth: int) -> None:
    if depth >= MOST_NESTED:
        raise invalid_argument(name[:200], f"is nested more than {MOST_NESTED} deep")


def _python(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) <= _EXACT_INT else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return dict_from(value.struct_value)
        case "list_value":
            return [_python(item) for item in value.list_value.values]
        case _:
            return None
