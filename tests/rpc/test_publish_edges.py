"""Publishes at the edge of what is allowed, and keys that come back."""

import asyncio
from uuid import uuid4

import pytest
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode
from reflexio.v1 import interaction_service_pb2 as pb
from reflexio.v1.interaction_pb2 import USER_ACTION_NONE, NewInteraction

from tests.rpc.baseline import Baseline, changed, snapshot
from tests.rpc.wire import Caller, refused


def publish(user_id: str, *interactions: NewInteraction | dict, **fields: object) -> pb.PublishInteractionsRequest:
    return pb.PublishInteractionsRequest(user_id=user_id, interactions=interactions, **fields)


async def stored(call: Caller, user_id: str) -> list:
    """The user's interactions as they were published."""
    answer = await call("ListInteractions", pb.ListInteractionsRequest(user_id=user_id, page_size=1000))
    return list(reversed(answer.interactions))


async def test_a_key_with_other_content_is_refused(call: Caller, there: Baseline):
    key = str(uuid4())
    first = publish(there.user_id, {"content": "one"}, idempotency_key=key, source="web")
    await call("PublishInteractions", first)
    before = await snapshot(call, there)
    for fields in (
        {"interactions": [{"content": "other"}]},
        {"interactions": [{"content": "one"}, {"content": "two"}]},
        {"source": "chat"},
        {"session_id": "s"},
        {"agent_version": "2"},
        {"user_id": there.user_id + "2"},
        {"skip_aggregation": True},
        {"force_extraction": True},
    ):
        refusal = await refused(call("PublishInteractions", changed(first, fields)))
        assert (refusal.code, refusal.reason) == (StatusCode.ALREADY_EXISTS, "IDEMPOTENCY_KEY_REUSED")
        assert refusal.metadata == {"idempotency_key": key}
        assert refusal.request_id
    assert await snapshot(call, there) == before


async def test_a_repetition_returns_the_first_answer(call: Caller, there: Baseline):
    key = str(uuid4())
    first = publish(there.user_id, {"content": "one"}, {"content": "two"}, idempotency_key=key)
    unwaited = await call("PublishInteractions", first)
    assert not unwaited.HasField("result")
    before = await snapshot(call, there)
    waiting = changed(first, {"wait_for_response": True})
    answers = await asyncio.gather(*(call("PublishInteractions", waiting) for _ in range(10)))
    assert len({(a.result.request_id, *a.result.interaction_ids) for a in answers}) == 1
    assert await snapshot(call, there) == before


async def test_a_key_that_was_refused_can_still_be_used(call: Caller, user_id: str):
    key = str(uuid4())
    await refused(call("PublishInteractions", publish(user_id, {}, idempotency_key=key)))
    await call("PublishInteractions", publish(user_id, {"content": "fine"}, idempotency_key=key))
    assert [i.content for i in await stored(call, user_id)] == ["fine"]


async def test_what_is_left_out_gets_its_default(call: Caller, user_id: str):
    await call("PublishInteractions", publish(user_id, {"content": "hello"}))
    [found] = await stored(call, user_id)
    assert (found.role, found.user_action) == ("User", USER_ACTION_NONE)
    now = Timestamp()
    now.GetCurrentTime()
    assert 0 <= now.ToNanoseconds() - found.created_at.ToNanoseconds() < 60e9


@pytest.mark.parametrize(
    "interaction",
    [
        {"shadow_content": "x"},
        {"expert_content": "x"},
        {"user_action_description": "x"},
        {"user_action": 2},
        {"interacted_image_url": "https://example.com/x.png"},
        {"tools_used": [{"tool_name": "x", "tool_data": {}}]},
        {"content": " "},
        {"content": "x" * 262_144},
        {"content": "a_" * 131_072},
        {"content": "\u0001\ufffe\U0010ffff\r\n\u2028"},
        {"content": "x", "created_at": {"seconds": -2_208_988_800}},
        {"content": "x", "created_at": {"seconds": -1, "nanos": 999_999_999}},
    ],
    ids=lambda interaction: str(interaction)[:60],
)
async def test_what_is_allowed_is_stored_as_it_is(call: Caller, user_id: str, interaction: dict):
    await call("PublishInteractions", publish(user_id, interaction), timeout=20)
    [found] = await stored(call, user_id)
    given = NewInteraction(**interaction)
    for field, value in given.ListFields():
        assert getattr(found, field.name) == value


async def test_a_thousand_interactions_are_one_publish(call: Caller, user_id: str):
    request = publish(user_id, *({"content": f"number {n}"} for n in range(1000)), wait_for_response=True)
    answer = await call("PublishInteractions", request)
    assert [i.interaction_id for i in await stored(call, user_id)] == list(answer.result.interaction_ids)
    assert [i.content for i in await stored(call, user_id)] == [f"number {n}" for n in range(1000)]


def nested(depth: int) -> Struct:
    """A number in an object in an object… `depth` objects in all."""
    value = Struct(fields={"n": Value(number_value=1)})
    for _ in range(depth - 1):
        value = Struct(fields={"in": Value(struct_value=value)})
    return value


async def test_tool_data_may_be_nested_so_deep(call: Caller, user_id: str):
    request = publish(user_id, {"tools_used": [{"tool_name": "t", "tool_data": nested(32)}]})
    await call("PublishInteractions", request)
    [found] = await stored(call, user_id)
    assert found.tools_used[0].tool_data == nested(32)


@pytest.mark.parametrize("depth", [33, 34, 50, 1000])
async def test_tool_data_nested_deeper_is_refused(call: Caller, there: Baseline, depth: int):
    request = publish(there.user_id, {"content": "fine"}, {"tools_used": [{"tool_name": "t"}]})
    field = b"\x12" + _with_length(nested_bytes(depth))
    tool = b"\x4a" + _with_length(b"\x0a\x01t" + field)
    before = await snapshot(call, there)
    refusal = await refused(
        call.send("PublishInteractions", request.SerializeToString() + b"\x12" + _with_length(tool))
    )
    assert refusal.code is StatusCode.INVALID_ARGUMENT
    # Protobuf itself reads no deeper than a hundred messages.
    assert refusal.reason in {"INVALID_FIELD", "MALFORMED_REQUEST"}
    assert await snapshot(call, there) == before


def _with_length(data: bytes) -> bytes:
    length, prefix = len(data), b""
    while length >= 128:
        prefix, length = prefix + bytes([length % 128 + 128]), length // 128
    return prefix + bytes([length]) + data


def nested_bytes(depth: int) -> bytes:
    """What `nested(depth)` is on the wire; protobuf cannot write it."""
    data = Struct(fields={"n": Value(number_value=1)}).SerializeToString()
    for _ in range(depth - 1):
        data = b"\x0a" + _with_length(b"\x0a\x02in\x12" + _with_length(b"\x2a" + _with_length(data)))
    return data


def test_the_nested_bytes_are_what_protobuf_writes():
    assert Struct.FromString(nested_bytes(20)) == nested(20)


async def test_every_kind_of_json_comes_back(call: Caller, user_id: str):
    data = Struct()
    data.update({"": None, "list": [1, -2.5, 1e300, True, "x", [], {}], "ключ": {"\u2028": "🙂"}, "null": None})
    data.fields["unset"].SetInParent()
    await call("PublishInteractions", publish(user_id, {"tools_used": [{"tool_name": "t", "tool_data": data}]}))
    [found] = await stored(call, user_id)
    data.fields["unset"].null_value = 0
    assert found.tools_used[0].tool_data == data
