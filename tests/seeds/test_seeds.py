"""The code of the seed documents runs as it is written, and gets the answers that its readers expect."""

import base64
from collections import Counter
from datetime import datetime

import pytest

from tests.seeds.answers import check
from tests.seeds.execution import Run
from tests.seeds.extraction import FOLDER, documents
from tests.seeds.supplies import EARLIER

if not FOLDER.is_dir():
    pytest.skip(f"the seed documents are not here: {FOLDER}", allow_module_level=True)

DOCUMENTS = documents()


def documents_with(part: str) -> pytest.MarkDecorator:
    """Parametrises `run` with the documents whose code has `part` in it; there must be some."""
    having = [document for document in DOCUMENTS if any(part in block.source for block in document.blocks)]
    assert having, part
    return pytest.mark.parametrize("run", having, ids=lambda document: document.name, indirect=True)


every_document = documents_with("client.")


@every_document
def test_everything_runs(run: Run):
    assert len(run.printed) >= len(run.document.blocks)


@every_document
def test_every_call_is_made(run: Run):
    written = run.document.client_calls
    made = Counter(call.method for call in run.calls)
    assert written.keys() == made.keys()
    assert all(made[method] >= count for method, count in written.items())


@every_document
def test_every_answer_is_right_and_so_is_what_is_stored(run: Run):
    for call in run.calls:
        check(call)


@documents_with("encode_image(")
def test_pictures_come_back_as_they_were_on_disk(run: Run):
    files = {path.read_bytes() for path in run.folder.rglob("*.*")}
    stored = {
        base64.b64decode(interaction.image_encoding)
        for interaction in run.observer.stored().interactions
        if interaction.has_image
    }
    assert files
    assert stored == files


@documents_with("expert_content")
def test_expert_content_is_kept_apart_from_what_was_said(run: Run):
    (reviewed,) = [i for i in run.observer.stored().interactions if i.expert_content]
    assert reviewed.role == "Agent"
    assert "30 days" in reviewed.content
    assert "original receipt" in reviewed.expert_content
    assert "original receipt" not in reviewed.content


@documents_with('"Sales_Rep"')
def test_roles_are_free_text(run: Run):
    roles = {interaction.role for interaction in run.observer.stored().interactions}
    assert {"User", "Agent", "Client", "Sales_Rep"} <= roles


@documents_with("password reset login issues")
def test_the_support_conversation_is_found_first(run: Run):
    (search,) = [call for call in run.calls_of("search_interactions") if "password" in call.arguments["query"]]
    found = search.answer.interactions
    assert "password" in found[0].content or "login" in found[0].content
    assert {hit.session_id for hit in found[:3]} == {"support_session_001"}
    assert {hit.user_id for hit in found} == {"customer_001"}

    printed = run.lines_printed_by("password reset login issues")
    assert printed[0] == f"Found {len(found)} relevant interactions:"
    assert printed[1:5] == [
        f"[{found[0].role}]: {found[0].content}",
        f"Source: {found[0].request_id}",
        "Action: none",
        "---",
    ]
    assert printed.count("---") == len(found) > 0


@documents_with("laptop recommendations")
def test_a_search_keeps_to_its_user(run: Run):
    (search,) = run.calls_of("search_interactions")
    assert len(search.answer.interactions) == search.arguments["top_k"] == 5
    assert {hit.user_id for hit in search.answer.interactions} == {"user_123"}
    others = {i.user_id for i in search.before.interactions if "laptop" in i.content}
    assert "customer_456" in others


@documents_with("action_types")
def test_actions_are_counted_by_their_values(run: Run):
    assert run.namespace["action_types"] == {"click": 3, "scroll": 1, "none": 1}
    assert sum(run.namespace["interaction_sources"].values()) == 5
    said = [action["content"] for action in run.namespace["shopping_actions"] if "content" in action]
    assert run.namespace["content_themes"] == said[::-1]
    assert len(said) == 2
    sources, actions, total = run.lines_printed_by("action_types")
    assert sources == f"Interaction Sources: {run.namespace['interaction_sources']}"
    assert actions == f"Action Types: {run.namespace['action_types']}"
    assert total == "Total content items: 2"


@documents_with("daily_activity")
def test_activity_is_grouped_by_day(run: Run):
    studied = EARLIER[0]["interactions"]
    days = [datetime.fromtimestamp(interaction["created_at"]).date() for interaction in studied]
    lines = run.lines_printed_by("daily_activity")
    assert lines[0] == "Daily Learning Activity:"
    assert lines[1:] == [
        line
        for day, interaction in zip(days, studied, strict=True)
        for line in (f"{day}: 1 interactions", f"- {interaction['content'][:50]}...")
    ]


@documents_with("bulk_publish_interactions")
def test_bulk_helpers_publish_every_batch(run: Run):
    queued = [line for line in run.lines_printed_by("def bulk_publish_interactions") if line]
    assert queued == ["Batch 0 queued successfully", "Batch 1 queued successfully"]
    confirmed = run.lines_printed_by("bulk_publish_with_confirmation_returned")
    assert confirmed == ["Batch 0: True", "Batch 1: True"]
    answers = run.namespace["bulk_publish_with_confirmation_returned"]
    assert {answer.request_id for answer in answers} <= run.observer.stored().requests.keys()
    assert len({answer.request_id for answer in answers}) == 2


@documents_with("Published successfully")
def test_a_confirmation_is_printed(run: Run):
    (waited,) = [call for call in run.calls_of("publish_interaction") if call.arguments["wait_for_response"]]
    assert run.lines_printed_by("Published successfully") == [f"Published successfully: {waited.answer.message}"]


@documents_with("client.get_requests(")
def test_sessions_are_shown_with_their_requests(run: Run):
    (listed,) = run.calls_of("get_requests")
    (session,) = listed.answer.sessions
    (data,) = session.requests
    assert session.session_id == "session_001"
    assert [one.role for one in data.interactions] == ["user", "assistant"]
    heading, *rest = run.lines_printed_by("client.get_requests(")
    assert heading in {"Session: session_001", "Request Group: session_001"}
    assert rest == [f"Request ID: {data.request.request_id}", "Agent Version: v2.0", "Interactions: 2"]


@documents_with("session_interactions")
def test_a_loop_publishes_into_one_session(run: Run):
    published = [call for call in run.calls_of("publish_interaction") if call.session == "session_xyz"]
    assert [call.arguments["interactions"] for call in published] == [
        [interaction] for interaction in run.namespace["session_interactions"]
    ]
    requests = run.observer.client.get_requests(session_id="session_xyz").sessions[0].requests
    assert len(requests) == len(published) == 3


@documents_with("old_session_001")
def test_deleting_a_session_deletes_it_for_all_its_users_and_no_other(run: Run):
    deletions = run.calls_of("delete_session") + run.calls_of("delete_request_group")
    assert [(call.session, call.answer.deleted_requests_count) for call in deletions] == [
        ("session_001", 0),
        ("session_001", 1),
        ("old_session_001", 2),
    ]
    left = {data.request.session_id for data in run.observer.stored().requests.values()}
    assert "old_session_001" not in left
    assert "old_session_0011" in left
