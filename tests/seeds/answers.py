"""What each method has to answer and to leave behind, whatever the document."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import reflexio
from reflexio_server.access.keys import is_key

from tests.seeds.recording import RecordedCall

_DEFAULTS: dict[str, Any] = {
    "role": "User",
    "content": "",
    "shadow_content": "",
    "expert_content": "",
    "user_action": "none",
    "user_action_description": "",
    "interacted_image_url": "",
    "image_encoding": "",
    "tools_used": [],
}
_ONLY_AFTER_WAITING = (
    "request_id",
    "endpoint_url",
    "storage_type",
    "storage_label",
    "profiles_added",
    "profiles_updated",
    "playbooks_added",
    "playbooks_updated",
)
_DEFAULT_TOP_K = 10


def check(call: RecordedCall) -> None:
    """Fail unless the answer of `call` is right, and so is what it changed."""
    assert call.answer.success is True
    _CHECKS[call.method](call)


def _login(call: RecordedCall) -> None:
    assert call.after == call.before
    assert is_key(call.answer.api_key)
    assert call.answer.organization_id == 1


def _publish_interaction(call: RecordedCall) -> None:
    (new_id,) = call.after.requests.keys() - call.before.requests.keys()
    assert {key: data for key, data in call.after.requests.items() if key != new_id} == call.before.requests

    stored = call.after.requests[new_id]
    request = stored.request
    assert request.user_id == call.arguments["user_id"]
    assert request.session_id == request.request_group == call.session
    assert request.source == call.arguments["source"]
    assert request.agent_version == call.arguments["agent_version"]
    assert int(call.began) <= request.created_at <= call.ended

    given = call.arguments["interactions"]
    assert [_said_and_done(interaction) for interaction in stored.interactions] == [_expected(one) for one in given]
    for interaction in stored.interactions:
        assert interaction.user_id == request.user_id
        assert interaction.request_id == new_id
        assert interaction.session_id == call.session
        assert interaction.has_image == bool(interaction.image_encoding)
        assert int(call.began) <= interaction.created_at <= call.ended

    newest_first = stored.interactions[::-1]
    assert call.of_its_user == [*newest_first, *call.before.of_user(request.user_id)]
    assert call.after.of_user(request.user_id) == call.of_its_user
    _publish_answer(call, new_id)


def _publish_answer(call: RecordedCall, request_id: str) -> None:
    answer = call.answer
    assert answer.message
    assert answer.warnings == []
    if not call.arguments["wait_for_response"]:
        assert {name: getattr(answer, name) for name in _ONLY_AFTER_WAITING} == dict.fromkeys(_ONLY_AFTER_WAITING)
        return
    assert answer.request_id == request_id
    assert answer.endpoint_url == call.endpoint_url
    assert answer.storage_type == call.storage_type
    assert answer.storage_label
    learned = (answer.profiles_added, answer.profiles_updated, answer.playbooks_added, answer.playbooks_updated)
    assert all(isinstance(count, int) and count >= 0 for count in learned)


def _search_interactions(call: RecordedCall) -> None:
    assert call.after == call.before
    pool = _without_images(call.before.of_user(call.arguments["user_id"]))[: call.arguments["most_recent_k"]]
    found = call.answer.interactions
    assert len(found) == min(len(pool), call.arguments["top_k"] or _DEFAULT_TOP_K)
    assert len({hit.interaction_id for hit in found}) == len(found)
    assert all(replace(hit, score=None) in pool for hit in found)
    scores = [hit.score for hit in found]
    assert scores == sorted(scores, reverse=True)


def _get_interactions(call: RecordedCall) -> None:
    assert call.after == call.before
    everything = _without_images(call.before.of_user(call.arguments["user_id"]))
    assert everything
    assert call.answer.interactions == everything[: call.arguments["top_k"]]


def _get_all_interactions(call: RecordedCall) -> None:
    assert call.after == call.before
    assert len({interaction.user_id for interaction in call.answer.interactions}) > 1
    assert call.answer.interactions == _without_images(call.before.interactions)[: call.arguments["limit"]]


def _get_requests(call: RecordedCall) -> None:
    assert call.after == call.before
    answer = call.answer
    expected = {
        key: replace(data, interactions=_without_images(data.interactions))
        for key, data in call.before.requests.items()
        if data.request.user_id == call.arguments["user_id"]
    }
    assert expected
    assert {data.request.request_id: data for session in answer.sessions for data in session.requests} == expected
    assert len({session.session_id for session in answer.sessions}) == len(answer.sessions)
    for session in answer.sessions:
        assert session.session_id == session.request_group
        assert {data.request.session_id for data in session.requests} == {session.session_id}
    assert answer.request_groups == answer.sessions
    assert answer.has_more is False


def _delete_interaction(call: RecordedCall) -> None:
    (gone,) = [i for i in call.before.interactions if i.interaction_id == call.arguments["interaction_id"]]
    assert call.after.interactions == [i for i in call.before.interactions if i != gone]
    assert call.of_its_user == call.after.of_user(gone.user_id)
    assert call.after.requests == {
        key: replace(data, interactions=[i for i in data.interactions if i != gone])
        for key, data in call.before.requests.items()
    }
    _deletion_answer(call, deleted_interactions_count=1)


def _delete_session(call: RecordedCall) -> None:
    gone = {key: data for key, data in call.before.requests.items() if data.request.session_id == call.session}
    assert call.after.requests == {key: data for key, data in call.before.requests.items() if key not in gone}
    assert call.after.interactions == [i for i in call.before.interactions if i.request_id not in gone]
    _deletion_answer(
        call,
        deleted_requests_count=len(gone),
        deleted_interactions_count=sum(len(data.interactions) for data in gone.values()),
    )


def _deletion_answer(call: RecordedCall, **counts: int) -> None:
    assert call.answer.message
    waited = call.arguments["wait_for_response"]
    assert {name: getattr(call.answer, name) for name in counts} == (counts if waited else dict.fromkeys(counts))


_CHECKS: dict[str, Callable[[RecordedCall], None]] = {
    "login": _login,
    "publish_interaction": _publish_interaction,
    "search_interactions": _search_interactions,
    "get_interactions": _get_interactions,
    "get_all_interactions": _get_all_interactions,
    "get_requests": _get_requests,
    "delete_interaction": _delete_interaction,
    "delete_session": _delete_session,
    "delete_request_group": _delete_session,
}


def _expected(given: Mapping[str, Any]) -> dict[str, Any]:
    said_and_done = {**_DEFAULTS, **given}
    return {**said_and_done, "user_action": said_and_done["user_action"].lower()}


def _said_and_done(interaction: reflexio.Interaction) -> dict[str, Any]:
    fields = {name: getattr(interaction, name) for name in _DEFAULTS}
    return {**fields, "user_action": interaction.user_action.value}


def _without_images(interactions: list[reflexio.Interaction]) -> list[reflexio.Interaction]:
    return [replace(interaction, image_encoding="") for interaction in interactions]
