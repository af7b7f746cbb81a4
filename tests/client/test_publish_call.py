"""From what users give to `publish_interaction` to the request on the wire, and back."""

import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest
from reflexio import InteractionData, InvalidArgumentError, PublishUserInteractionResponse, ToolUse, UserActionType
from reflexio._calls import publish
from reflexio._channel import TimeoutClass
from reflexio.v1 import interaction_pb2, interaction_service_pb2

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
PNG64 = base64.b64encode(PNG).decode()


def call(interactions=({"content": "hello"},), **given):
    arguments = {
        "user_id": "u", "source": "", "agent_version": "", "session_id": None, "wait_for_response": False,
        "skip_aggregation": False, "force_extraction": False, "request_group": None, "idempotency_key": None,
        "endpoint_url": "http://here:1",
    }  # fmt: skip
    return publish(interactions=interactions, **(arguments | given))


def sent(interaction):
    [message] = call([interaction]).request.interactions
    return message


def refused_field(*args, **given):
    with pytest.raises(InvalidArgumentError) as caught:
        call(*args, **given)
    assert caught.value.reason == "INVALID_FIELD"
    assert str(caught.value).startswith(caught.value.field_violations[0].field + ": ")
    return caught.value.field_violations[0].field


def test_a_dict_and_an_object_say_the_same():
    created_at = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    values = {
        "role": "Sales_Rep", "content": "c", "shadow_content": "s", "expert_content": "e", "user_action": "CLICK",
        "user_action_description": "d", "interacted_image_url": "https://i", "image_encoding": PNG64,
        "tools_used": [{"tool_name": "t", "tool_data": {"a": [1, None, "x"]}}], "created_at": created_at,
    }  # fmt: skip
    expected = interaction_pb2.NewInteraction(
        role="Sales_Rep", content="c", shadow_content="s", expert_content="e",
        user_action=interaction_pb2.USER_ACTION_CLICK, user_action_description="d", interacted_image_url="https://i",
        image=PNG,
    )  # fmt: skip
    tool = expected.tools_used.add(tool_name="t")
    tool.tool_data.update({"a": [1, None, "x"]})
    expected.created_at.FromDatetime(created_at)

    assert sent(values) == expected
    assert sent(InteractionData(**values)) == expected
    assert sent(InteractionData(**(values | {"tools_used": [ToolUse("t", {"a": (1, None, "x")})]}))) == expected


def test_what_is_left_out_or_none_is_not_sent():
    nothing = dict.fromkeys(("role", "user_action", "image_encoding", "tools_used", "created_at"))

    assert sent({"content": "c"} | nothing) == interaction_pb2.NewInteraction(content="c")


@pytest.mark.parametrize("given", ["click", "CLICK", "Click", UserActionType.CLICK])
def test_an_action_may_be_written_in_any_case(given):
    assert sent({"user_action": given}).user_action == interaction_pb2.USER_ACTION_CLICK


@pytest.mark.parametrize(
    "encoded",
    [PNG64, f"data:image/png;base64,{PNG64}", "DATA:image/png;charset=x;BASE64," + PNG64,
     "\n".join(PNG64[i : i + 76] for i in range(0, len(PNG64), 76)) + "\n"],
)  # fmt: skip
def test_an_image_is_decoded_however_base64_is_written(encoded):
    assert sent({"image_encoding": encoded}).image == PNG


@pytest.mark.parametrize(
    "encoded",
    [
        "not base64!",
        PNG64[:-1],
        "ünïcode",
        "data:image/png,%89PNG",
        "data:image/png;base64,",
        "YQ==YQ==",
        b"YQ==",
        b"",
        PNG,
    ],
)
def test_what_is_not_base64_is_refused(encoded):
    assert refused_field([{"content": "c"}, {"image_encoding": encoded}]) == "interactions[1].image_encoding"


@pytest.mark.parametrize(
    ("encoded", "problem"),
    [(PNG, "must be base64 text: base64.b64encode(data).decode()"), ("not base64!", "is not base64")],
)
def test_what_is_not_base64_is_told_what_to_be(encoded, problem):
    with pytest.raises(InvalidArgumentError) as caught:
        call([{"image_encoding": encoded}])
    assert str(caught.value) == f"interactions[0].image_encoding: {problem}"


@pytest.mark.parametrize(
    ("interaction", "field", "hint"),
    [
        ({"contnet": "x"}, "interactions[0].contnet", "did you mean 'content'?"),
        ({"Role": "x"}, "interactions[0].Role", "did you mean 'role'?"),
        ({"zzz": "x"}, "interactions[0].zzz", "known are role, content"),
        ({1: "x"}, "interactions[0].1", "known are"),
        ({"tools_used": [{"name": "x"}]}, "interactions[0].tools_used[0].name", "did you mean 'tool_name'?"),
        ({"user_action": "klick"}, "interactions[0].user_action", "did you mean 'click'?"),
    ],
)
def test_what_is_misspelt_is_refused_with_what_was_probably_meant(interaction, field, hint):
    with pytest.raises(InvalidArgumentError) as caught:
        call([interaction])
    assert caught.value.field_violations[0].field == field
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("interaction", "field"),
    [
        ("text", ""),
        (None, ""),
        ({"content": 42}, ".content"),
        ({"content": b"x"}, ".content"),
        ({"content": "half \ud83d a pair"}, ".content"),
        ({"role": ["User"]}, ".role"),
        ({"user_action": 1}, ".user_action"),
        ({"tools_used": {"tool_name": "t"}}, ".tools_used"),
        ({"tools_used": "t"}, ".tools_used"),
        ({"tools_used": ["t"]}, ".tools_used[0]"),
        ({"tools_used": [{"tool_name": 1}]}, ".tools_used[0].tool_name"),
        ({"tools_used": [{"tool_name": "t", "tool_data": "{}"}]}, ".tools_used[0].tool_data"),
        ({"created_at": "yesterday"}, ".created_at"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(interaction, field):
    assert refused_field([{"content": "fine"}, interaction]) == f"interactions[1]{field}"


@pytest.mark.parametrize("interactions", [{"content": "x"}, "x", None, 3, InteractionData(content="x")])
def test_a_single_interaction_is_no_list(interactions):
    assert refused_field(interactions) == "interactions"


def test_any_iterable_of_interactions_will_do():
    assert [m.content for m in call({"content": str(i)} for i in range(3)).request.interactions] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("argument", "value"),
    [("user_id", None), ("user_id", 7), ("source", 7), ("agent_version", b""), ("session_id", 7), ("request_group", 7),
     ("wait_for_response", "no"), ("skip_aggregation", 1), ("force_extraction", None), ("idempotency_key", ""),
     ("idempotency_key", UUID(int=1))],
)  # fmt: skip
def test_arguments_of_other_types_are_refused_by_name(argument, value):
    assert refused_field(**{argument: value}) == argument


def test_a_session_may_have_its_older_name():
    assert call(session_id="s").request.session_id == "s"
    assert call(request_group="s").request.session_id == "s"
    assert call(request_group="s", session_id="s").request.session_id == "s"
    assert call(request_group="s", session_id="").request.session_id == "s"
    assert call().request.session_id == ""
    assert refused_field(request_group="s", session_id="other") == "request_group"


def test_errors_about_the_session_use_the_name_that_the_caller_used():
    assert call(request_group="s").argument_name("session_id") == "request_group"
    assert call(session_id="s").argument_name("session_id") == "session_id"
    assert call().argument_name("interactions[3].image") == "interactions[3].image_encoding"
    assert call().argument_name("interactions[3].tools_used[0].tool_data") == "interactions[3].tools_used[0].tool_data"


def test_every_publish_has_an_idempotency_key_of_its_own_unless_it_was_given_one():
    keys = {call().request.idempotency_key for _ in range(10)}

    assert len({UUID(key) for key in keys}) == 10
    assert call(idempotency_key="mine").request.idempotency_key == "mine"


def test_flags_and_labels_are_sent():
    request = call(
        wait_for_response=True, skip_aggregation=True, force_extraction=True, source="web", agent_version="v2"
    ).request

    assert (request.wait_for_response, request.skip_aggregation, request.force_extraction) == (True, True, True)
    assert (request.user_id, request.source, request.agent_version) == ("u", "web", "v2")


def test_a_publish_that_waits_has_more_time():
    assert call(wait_for_response=True).timeout_class is TimeoutClass.WAITING
    assert call().timeout_class is TimeoutClass.USUAL


def test_without_waiting_the_answer_is_a_bare_acknowledgement():
    answer = interaction_service_pb2.PublishInteractionsResponse(message="stored", warnings=["old"])
    response = call().read(answer)

    assert (response.success, response.message, response.warnings) == (True, "stored", ["old"])
    rest = {name for name in response.__slots__ if name not in ("success", "message", "warnings")}
    assert {getattr(response, name) for name in rest} == {None}


def test_with_waiting_the_answer_has_everything():
    result = interaction_service_pb2.PublishResult(
        request_id="r", interaction_ids=[4, 5], storage_type="postgres", storage_label="db",
        learned={"profiles_added": 1, "profiles_updated": 2, "playbooks_added": 3, "playbooks_updated": 0},
    )  # fmt: skip
    response = call(wait_for_response=True).read(interaction_service_pb2.PublishInteractionsResponse(result=result))

    assert (response.request_id, response.interaction_ids, response.endpoint_url) == ("r", [4, 5], "http://here:1")
    assert (response.storage_type, response.storage_label) == ("postgres", "db")
    assert (response.profiles_added, response.profiles_updated) == (1, 2)
    assert (response.playbooks_added, response.playbooks_updated) == (3, 0)


def test_an_answer_shows_what_it_has():
    assert repr(PublishUserInteractionResponse(message="stored", interaction_ids=[])) == (
        "PublishUserInteractionResponse(success=True, message='stored', warnings=[], interaction_ids=[])"
    )
