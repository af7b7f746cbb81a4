"""From the arguments of `search_interactions` to the request on the wire, and back."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from reflexio import (
    InvalidArgumentError,
    QueryInterpretation,
    ScoreExplanation,
    SearchInteractionsRequest,
    SearchMode,
)
from reflexio._calls import search
from reflexio.v1 import interaction_pb2
from reflexio.v1 import interaction_service_pb2 as pb


def call(request=None, **keywords):
    return search(request, SearchInteractionsRequest(**keywords))


def refused_field(request=None, **keywords):
    with pytest.raises(InvalidArgumentError) as caught:
        call(request, **keywords)
    return caught.value.field_violations[0].field


ALL = {
    "user_id": "u", "query": "q", "request_id": "r", "session_id": "s", "start_time": 1.5,
    "end_time": datetime(2024, 1, 1, tzinfo=UTC), "top_k": 5, "most_recent_k": 7, "search_mode": "FTS", "role": "User",
    "source": "web", "include_images": True, "min_score": 0.25, "explain": True,
}  # fmt: skip


def test_keywords_a_dict_and_an_object_say_the_same():
    request = call(**ALL).request

    assert call(ALL).request == request
    assert call(SearchInteractionsRequest(**ALL)).request == request
    assert call({"user_id": "u", "query": "q"}, **(ALL | {"query": None})).request == request
    expected = pb.SearchInteractionsRequest(
        user_id="u", query="q", top_k=5, search_mode=pb.SEARCH_MODE_FTS, include_images=True, min_score=0.25,
        explain=True,
        filter={"request_id": "r", "session_id": "s", "role": "User", "source": "web", "most_recent_k": 7},
    )  # fmt: skip
    expected.filter.start_time.FromNanoseconds(1_500_000_000)
    expected.filter.end_time.FromDatetime(datetime(2024, 1, 1))
    assert request == expected


def test_what_is_left_out_is_not_sent():
    request = call(user_id="u").request

    assert request == pb.SearchInteractionsRequest(user_id="u", filter={}, search_mode=pb.SEARCH_MODE_HYBRID)
    assert not request.HasField("top_k")
    assert not request.HasField("min_score")
    assert not request.filter.HasField("most_recent_k")


@pytest.mark.parametrize(
    ("keywords", "field"),
    [
        ({}, "user_id"),
        ({"user_id": 1}, "user_id"),
        ({"user_id": "u", "query": 1}, "query"),
        ({"user_id": "u", "top_k": 2**31}, "top_k"),
        ({"user_id": "u", "top_k": -(2**40)}, "top_k"),
        ({"user_id": "u", "top_k": "5"}, "top_k"),
        ({"user_id": "u", "top_k": 5.0}, "top_k"),
        ({"user_id": "u", "top_k": True}, "top_k"),
        ({"user_id": "u", "most_recent_k": 2**31}, "most_recent_k"),
        ({"user_id": "u", "search_mode": "semantic"}, "search_mode"),
        ({"user_id": "u", "search_mode": None}, "search_mode"),
        ({"user_id": "u", "session_id": ""}, "session_id"),
        ({"user_id": "u", "role": 3}, "role"),
        ({"user_id": "u", "start_time": "today"}, "start_time"),
        ({"user_id": "u", "end_time": float("inf")}, "end_time"),
        ({"user_id": "u", "include_images": 1}, "include_images"),
        ({"user_id": "u", "explain": 1}, "explain"),
        ({"user_id": "u", "explain": None}, "explain"),
        ({"user_id": "u", "min_score": "0.5"}, "min_score"),
        ({"user_id": "u", "min_score": b"1"}, "min_score"),
        ({"user_id": "u", "min_score": True}, "min_score"),
        ({"user_id": "u", "min_score": [0.5]}, "min_score"),
        ({"user_id": "u", "min_score": 1j}, "min_score"),
        ({"user_id": "u", "min_score": 10**400}, "min_score"),
        ({"user_id": "u", "min_score": float("nan")}, "min_score"),
        ({"user_id": "u", "min_score": float("inf")}, "min_score"),
    ],
)
def test_wrong_arguments_are_refused_by_name(keywords, field):
    assert refused_field(**keywords) == field
    assert refused_field(keywords) == field


def test_a_search_without_a_user_says_so():
    with pytest.raises(InvalidArgumentError) as caught:
        call(query="q")
    assert str(caught.value) == "user_id: is missing"


def test_numbers_that_the_rules_forbid_are_left_to_the_server():
    assert call(user_id="u", top_k=-1).request.top_k == -1
    assert call(user_id="u", min_score=1.5).request.min_score == 1.5


@pytest.mark.parametrize("score", [1, 0, 0.5, Fraction(1, 2), Decimal("0.5"), np.float32(0.5), np.int64(1)], ids=repr)
def test_a_score_may_be_any_number(score):
    request = call(user_id="u", min_score=score).request

    assert request.HasField("min_score")
    assert request.min_score == float(score)


def test_a_request_must_be_one():
    assert refused_field("user-1") == "request"
    with pytest.raises(InvalidArgumentError, match=r"^request.topk: .*did you mean 'top_k'"):
        call({"user_id": "u", "topk": 5})


def test_a_request_and_keywords_must_not_contradict_each_other():
    assert refused_field({"user_id": "u"}, user_id="v") == "user_id"
    assert call({"user_id": "u"}, user_id="u", top_k=3).request.top_k == 3


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("filter.end_time", "end_time"),
        ("top_k", "top_k"),
        ("filter.session_id", "session_id"),
        ("min_score", "min_score"),
    ],
)
def test_errors_name_the_argument(path, name):
    assert call(user_id="u").argument_name(path) == name


@pytest.mark.parametrize("mode", [SearchMode.VECTOR, "vector", "Vector"])
def test_a_mode_may_be_written_in_any_case(mode):
    assert call(user_id="u", search_mode=mode).request.search_mode == pb.SEARCH_MODE_VECTOR


def test_the_answer_has_a_score_for_each_interaction():
    stored = interaction_pb2.Interaction(
        interaction_id=9, user_id="u", request_id="r", role="User", content="c", shadow_content="s", expert_content="e",
        user_action=interaction_pb2.USER_ACTION_SCROLL, user_action_description="d", interacted_image_url="i",
        has_image=True, created_at={"seconds": 12, "nanos": 999_999_999}, session_id="",
    )  # fmt: skip
    answer = pb.SearchInteractionsResponse(
        hits=[{"interaction": stored, "score": 0.5}],
        not_yet_embedded_count=2,
        truncated=True,
        set_aside_count=3,
        words_only=True,
    )
    response = call(user_id="u").read(answer)
    [found] = response.interactions

    assert (response.success, response.not_yet_embedded_count, response.truncated) == (True, 2, True)
    assert "2 so new" in response.msg
    assert "left out" in response.msg
    assert (response.set_aside_count, response.words_only) == (3, True)
    assert "failed on 3" in response.msg
    assert "failed on the query" in response.msg
    assert (found.interaction_id, found.user_id, found.request_id, found.session_id) == (9, "u", "r", None)
    assert (found.content, found.shadow_content, found.expert_content) == ("c", "s", "e")
    assert (found.user_action.value, found.user_action_description, f"{found.user_action}") == ("scroll", "d", "scroll")
    assert (found.has_image, found.image_encoding, found.created_at, found.score) == (True, "", 12, 0.5)
    assert (found.explanation, response.interpretation) == (None, None)


def test_what_was_explained_is_told():
    answer = pb.SearchInteractionsResponse(
        hits=[
            {
                "score": 0.75,
                "explanation": {"words": 0.5, "meaning": 0.25, "role": 0.125, "time": 0.0625, "statement": 1},
            },
            {"score": 0.5, "explanation": {}},
        ],
        interpretation={
            "roles": ["Ann", "Ben"],
            "spans": [{"start_time": {"seconds": 86_400}, "end_time": {"seconds": 172_800}}],
        },
    )
    response = call(user_id="u").read(answer)

    assert [found.explanation for found in response.interactions] == [
        ScoreExplanation(words=0.5, meaning=0.25, role=0.125, time=0.0625, statement=1),
        ScoreExplanation(words=0, meaning=0, role=0, time=0, statement=0),
    ]
    assert response.interpretation == QueryInterpretation(
        roles=["Ann", "Ben"], spans=[(datetime(1970, 1, 2, tzinfo=UTC), datetime(1970, 1, 3, tzinfo=UTC))]
    )


def test_a_query_that_names_nothing_was_understood_all_the_same():
    response = call(user_id="u").read(pb.SearchInteractionsResponse(interpretation={}))

    assert response.interpretation == QueryInterpretation(roles=[], spans=[])


def test_an_action_that_only_a_newer_server_knows_is_none_we_can_name():
    stored = interaction_pb2.Interaction(user_action=77)
    [found] = call(user_id="u").read(pb.SearchInteractionsResponse(hits=[{"interaction": stored}])).interactions

    assert found.user_action.value == "none"


def test_an_image_comes_back_as_base64():
    stored = interaction_pb2.Interaction(image={"data": b"\x00\xff", "media_type": "image/png"})
    [found] = call(user_id="u").read(pb.SearchInteractionsResponse(hits=[{"interaction": stored}])).interactions

    assert found.image_encoding == "AP8="
