"""A tool's data comes back as it was given, or is refused."""

import math

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st
from reflexio import InvalidArgumentError
from reflexio._calls.tool_data import MOST_NESTED, dict_from, struct_from
from reflexio.v1 import interaction_service_pb2

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(TEXT, JSON, max_size=5))
def test_whatever_json_has_comes_back(data):
    wire = struct_from("tool_data", data).SerializeToString()

    assert dict_from(Struct.FromString(wire)) == data


def test_whole_numbers_come_back_as_int_and_true_stays_true():
    back = dict_from(struct_from("d", {"n": 3, "t": True, "f": 0.5, "big": 2**53}))

    assert {key: type(value) for key, value in back.items()} == {"n": int, "t": bool, "f": float, "big": int}


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"a": math.nan}, "d.a"),
        ({"a": [0, math.inf]}, "d.a[1]"),
        ({"a": {"b": 2**53 + 1}}, "d.a.b"),
        ({"a": -(2**64)}, "d.a"),
        ({"a": {1, 2}}, "d.a"),
        ({"a": b"bytes"}, "d.a"),
        ({"a": object()}, "d.a"),
        ({1: "a"}, "d"),
        ({"a": "\udc00"}, "d.a"),
        (["a"], "d"),
        ("{}", "d"),
    ],
)
def test_what_would_not_come_back_is_refused_by_name(data, field):
    with pytest.raises(InvalidArgumentError) as caught:
        struct_from("d", data)
    assert caught.value.field_violations[0].field == field


def test_an_integer_too_large_is_refused_with_a_way_out():
    with pytest.raises(InvalidArgumentError, match=r"2\*\*53.*as a str"):
        struct_from("d", {"id": 2**60})


def nested(depth, wrap):
    data = wrap("end")
    for _ in range(depth - 2):
        data = wrap(data)
    return {"top": data}


@pytest.mark.parametrize("wrap", [lambda inner: {"a": inner}, lambda inner: [inner]])
def test_as_deep_as_allowed_is_readable_on_the_wire_and_deeper_is_refused(wrap):
    request = interaction_service_pb2.PublishInteractionsRequest()
    request.interactions.add().tools_used.add().tool_data.CopyFrom(struct_from("d", nested(MOST_NESTED, wrap)))

    assert interaction_service_pb2.PublishInteractionsRequest.FromString(request.SerializeToString()) == request
    with pytest.raises(InvalidArgumentError, match="nested more than"):
        struct_from("d", nested(MOST_NESTED + 1, wrap))


def test_data_that_contains_itself_is_refused():
    data = {}
    data["self"] = data

    with pytest.raises(InvalidArgumentError, match="nested more than"):
        struct_from("d", data)
