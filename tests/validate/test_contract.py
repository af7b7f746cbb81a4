"""The rules of the contract, enforced on bytes as they came."""

import contextlib
import os
import random

import pytest
from google.protobuf.descriptor_pool import Default
from hypothesis import given
from hypothesis import strategies as st
from reflexio.v1 import interaction_service_pb2 as pb
from reflexio.v1.interaction_pb2 import NewInteraction
from reflexio_server.domain.errors import InvalidFields, MalformedRequest
from reflexio_server.validate.contract import Contract

CONTRACT = Contract()
PUBLISH = "/reflexio.v1.InteractionService/PublishInteractions"
SEARCH = "/reflexio.v1.InteractionService/SearchInteractions"


def violations(method: str, request) -> list[tuple[str, str]]:
    with pytest.raises(InvalidFields) as refused:
        CONTRACT.check(method, request.SerializeToString())
    assert all(violation.description for violation in refused.value.violations)
    return [(violation.field, violation.rule) for violation in refused.value.violations]


def test_a_request_within_the_rules_passes():
    request = pb.PublishInteractionsRequest(user_id="u", interactions=[NewInteraction(content="hello")])
    CONTRACT.check(PUBLISH, request.SerializeToString())


@pytest.mark.parametrize(
    ("method", "request_", "description"),
    [
        (SEARCH, pb.SearchInteractionsRequest(query="x"), "must not be empty"),
        (SEARCH, pb.SearchInteractionsRequest(user_id="u", top_k=0), "must be from 1 to 1000"),
        (SEARCH, pb.SearchInteractionsRequest(user_id="u", min_score=2), "must be from 0 to 1"),
        (SEARCH, pb.SearchInteractionsRequest(user_id="u", filter={"most_recent_k": 0}), "must be at least 1"),
        (PUBLISH, pb.PublishInteractionsRequest(user_id="u"), "must not be empty"),
        (
            PUBLISH,
            pb.PublishInteractionsRequest(user_id="u", interactions=[NewInteraction(content="x")] * 1001),
            "must have at most 1000 items",
        ),
    ],
)
def test_rules_are_told_in_plain_words(method: str, request_, description: str):
    with pytest.raises(InvalidFields) as refused:
        CONTRACT.check(method, request_.SerializeToString())
    assert [v.description for v in refused.value.violations] == [description]


def test_all_fields_that_break_a_rule_are_named():
    request = pb.SearchInteractionsRequest(query="x" * 16385, top_k=0, filter={"role": "\0", "most_recent_k": -1})
    assert sorted(violations(SEARCH, request)) == [
        ("filter.most_recent_k", "int32.gte"),
        ("filter.role", "string.not_contains"),
        ("query", "string.max_bytes"),
        ("top_k", "int32.gte_lte"),
        ("user_id", "string.min_len"),
    ]


def test_the_place_of_a_field_in_lists_is_named():
    request = pb.PublishInteractionsRequest(
        user_id="u", interactions=[{"content": "fine"}, {"tools_used": [{"tool_name": "fine"}, {}]}]
    )
    assert violations(PUBLISH, request) == [("interactions[1].tools_used[1].tool_name", "string.min_len")]


def test_a_rule_about_a_whole_message_names_the_message():
    request = pb.PublishInteractionsRequest(user_id="u", interactions=[{"role": "User"}])
    assert violations(PUBLISH, request) == [("interactions[0]", "interaction.not_empty")]


def test_a_nul_character_is_called_by_its_name():
    with pytest.raises(InvalidFields, match="must not contain a NUL character"):
        CONTRACT.check(SEARCH, pb.SearchInteractionsRequest(user_id="\0").SerializeToString())


@given(st.binary(max_size=200))
def test_any_bytes_are_checked_or_refused(data: bytes):
    for method in (PUBLISH, SEARCH):
        with contextlib.suppress(InvalidFields, MalformedRequest):
            CONTRACT.check(method, data)


def test_bytes_that_are_no_message_are_refused_by_the_name_of_the_method():
    with pytest.raises(MalformedRequest) as refused:
        CONTRACT.check(PUBLISH, b"\xff")
    assert refused.value.metadata == {"method": PUBLISH}


def test_a_large_batch_is_checked_in_milliseconds():
    interactions = [NewInteraction(content=f"message {n}", role="User") for n in range(256)]
    request = pb.PublishInteractionsRequest(user_id="u", interactions=interactions).SerializeToString()
    CONTRACT.check(PUBLISH, request)
    started = os.times()
    CONTRACT.check(PUBLISH, request)
    assert os.times().user - started.user < 0.2


def test_rules_stay_out_of_the_pool_that_everybody_shares():
    with pytest.raises(KeyError):
        Default().FindFileByName("buf/validate/validate.proto")


def test_damaged_requests_are_never_taken_for_something_else():
    request = pb.PublishInteractionsRequest(user_id="u" * 20, interactions=[NewInteraction(content="hello " * 20)])
    whole = request.SerializeToString()
    dice = random.Random(7)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            CONTRACT.check(PUBLISH, bytes(damaged))
        except (InvalidFields, MalformedRequest):
            continue
        assert pb.PublishInteractionsRequest.FromString(bytes(damaged)).user_id
