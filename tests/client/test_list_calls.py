"""Lists are fetched page by page, and errors name what the caller wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reflexio import InvalidArgumentError, SessionData
from reflexio._calls import (
    delete_interaction,
    delete_request,
    delete_requests,
    delete_session,
    list_all_interactions,
    list_interactions,
    list_requests,
)
from reflexio._calls.call import Call
from reflexio.v1 import interaction_service_pb2, request_service_pb2

GROUP = {"session_id": "s", "wait_for_response": False, "user_id": None, "argument": "request_group"}


def a_users_list(**given):
    arguments = {"user_id": "u", "start_time": None, "end_time": None, "top_k": 30, "include_images": False}
    return list_interactions(**(arguments | given))


def run(call, answer):
    """Do what a shell does, with `answer` as the server; the requests that were made, and the result."""
    made = []
    while isinstance(call, Call):
        made.append(call.request)
        call = call.read(answer(call.request))
    return made, call


def a_list(total, per_page):
    """A server with `total` interactions that puts no more than `per_page` on a page."""

    def answer(request):
        start = int(request.page_token or 0)
        end = min(start + min(request.page_size, per_page), total)
        kind = type(request).__name__.replace("Request", "Response")
        return getattr(interaction_service_pb2, kind)(
            interactions=[{"interaction_id": number + 1} for number in range(start, end)],
            next_page_token=str(end) if end < total else "",
        )

    return answer


@given(st.integers(1, 3000), st.integers(0, 3000), st.integers(1, 1000))
def test_a_list_has_as_many_as_were_wanted_or_there_are(wanted, total, per_page):
    per_page = max(per_page, total // 40)
    call = a_users_list(start_time=1, end_time=2, top_k=wanted, include_images=True)
    made, response = run(call, a_list(total, per_page))

    assert [i.interaction_id for i in response.interactions] == list(range(1, min(wanted, total) + 1))
    assert all(1 <= request.page_size <= 1000 for request in made)
    first = made[0]
    for request in made:
        assert (request.user_id, request.filter, request.include_images) == (first.user_id, first.filter, True)


def test_all_interactions_are_paged_through_too():
    made, response = run(list_all_interactions(limit=2500, include_images=False), a_list(9999, 1000))

    assert [request.page_size for request in made] == [1000, 1000, 500]
    assert len(response.interactions) == 2500


def test_reading_an_answer_twice_gives_the_same():
    call = a_users_list(top_k=3)
    first_page = a_list(3, 2)(call.request)

    assert call.read(first_page).request == call.read(first_page).request


def requests_call(**given):
    arguments = dict.fromkeys(("user_id", "request_id", "session_id", "start_time", "end_time", "request_group"))
    return list_requests(**(arguments | {"top_k": 30, "offset": 0, "include_images": False} | given))


def stored_requests(sessions):
    """A server with one request for each name in `sessions`, newest first, two on a page."""

    def answer(request):
        start = int(request.page_token or 0) + request.skip
        end = min(start + min(request.page_size, 2), len(sessions))
        grouped = {}
        for number in range(start, end):
            grouped.setdefault(sessions[number], []).append({"request": {"request_id": str(number)}})
        return request_service_pb2.ListRequestsResponse(
            sessions=[{"session_id": name, "requests": requests} for name, requests in grouped.items()],
            next_page_token=str(end) if end < len(sessions) else "",
        )

    return answer


@given(st.lists(st.sampled_from(["", "a", "b"]), max_size=12), st.integers(1, 15), st.integers(0, 4))
def test_sessions_split_over_pages_are_whole_again(sessions, wanted, offset):
    made, response = run(requests_call(top_k=wanted, offset=offset), stored_requests(sessions))

    kept = list(enumerate(sessions))[offset : offset + wanted]
    expected = {}
    for number, name in kept:
        expected.setdefault(name or None, []).append(str(number))
    found = {s.session_id: [r.request.request_id for r in s.requests] for s in response.sessions}
    assert list(found.items()) == list(expected.items())
    assert response.has_more == (offset + wanted < len(sessions))
    assert response.request_groups is response.sessions
    assert [request.skip for request in made] == [offset] + [0] * (len(made) - 1)


def test_the_older_names_are_the_same_values():
    session = SessionData(session_id="s", requests=[])

    assert session.request_group == "s"
    assert requests_call(request_group="s").request.session_id == "s"


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: a_users_list(user_id="u", top_k=0), "top_k"),
        (lambda: a_users_list(user_id="u", top_k=None), "top_k"),
        (lambda: a_users_list(user_id=None, top_k=1), "user_id"),
        (lambda: list_all_interactions(limit=-1, include_images=False), "limit"),
        (lambda: list_all_interactions(limit="all", include_images=False), "limit"),
        (lambda: requests_call(top_k=0), "top_k"),
        (lambda: requests_call(top_k=2**70), "top_k"),
        (lambda: requests_call(offset=2**31), "offset"),
        (lambda: requests_call(offset="1"), "offset"),
        (lambda: requests_call(user_id=""), "user_id"),
        (lambda: requests_call(session_id=""), "session_id"),
        (lambda: requests_call(request_group=""), "request_group"),
        (lambda: requests_call(session_id="a", request_group="b"), "request_group"),
        (lambda: delete_interaction(user_id="u", interaction_id="1", wait_for_response=False), "interaction_id"),
        (lambda: delete_interaction(user_id="u", interaction_id=2**63, wait_for_response=False), "interaction_id"),
        (lambda: delete_request(request_id=None, wait_for_response=False), "request_id"),
        (lambda: delete_request(request_id="r", wait_for_response="yes"), "wait_for_response"),
        (lambda: delete_requests(request_ids="r"), "request_ids"),
        (lambda: delete_requests(request_ids=["r", 2]), "request_ids[1]"),
        (lambda: delete_session(session_id=None, wait_for_response=False, user_id=None), "session_id"),
        (lambda: delete_session(**GROUP | {"session_id": 1}), "request_group"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused_by_name(make, field):
    with pytest.raises(InvalidArgumentError) as caught:
        make()
    assert caught.value.field_violations[0].field == field


def test_an_empty_user_does_not_widen_a_delete_to_everybody():
    with pytest.raises(InvalidArgumentError, match=r"^user_id: must not be empty"):
        delete_session(session_id="s", wait_for_response=False, user_id="")


def test_errors_name_the_arguments_of_the_method():
    assert requests_call().argument_name("page_size") == "top_k"
    assert requests_call().argument_name("skip") == "offset"
    assert requests_call(request_group="g").argument_name("session_id") == "request_group"
    assert list_all_interactions(limit=1, include_images=False).argument_name("page_size") == "limit"
    call = delete_session(**GROUP)
    assert call.argument_name("session_id") == "request_group"


def test_counts_are_none_unless_the_delete_waited():
    call = delete_session(session_id="s", wait_for_response=False, user_id=None)
    bare = call.read(request_service_pb2.DeleteSessionResponse(message="gone"))
    counted = call.read(
        request_service_pb2.DeleteSessionResponse(deleted_requests_count=0, deleted_interactions_count=0)
    )

    assert (bare.success, bare.message, bare.deleted_requests_count, bare.deleted_interactions_count) == (
        True,
        "gone",
        None,
        None,
    )
    assert (counted.deleted_requests_count, counted.deleted_interactions_count) == (0, 0)
