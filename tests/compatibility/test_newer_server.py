"""The Python client of today with a server of tomorrow."""

import grpc
import pytest
import reflexio
from reflexio.errors import FailedPreconditionError, ReflexioError
from reflexio.models import UserActionType
from reflexio.v1.interaction_service_pb2 import ListInteractionsResponse

from tests.compatibility.newer_server import newer_server
from tests.conformance.languages import PYTHON
from tests.conformance.running import NEWER


@pytest.fixture(scope="module")
def target():
    with newer_server() as started:
        yield started


@pytest.fixture
def client(target):
    with reflexio.ReflexioClient(url_endpoint=f"http://{target}") as opened:
        yield opened


def test_the_server_does_send_what_the_stubs_do_not_know(target):
    with grpc.insecure_channel(target) as channel:
        answer = channel.unary_unary("/reflexio.v1.InteractionService/ListInteractions")(b"")
    known = ListInteractionsResponse.FromString(answer)
    known.DiscardUnknownFields()
    assert answer.count("unknown ü🤝".encode()) == 3, "in the answer, its interaction and its tool"
    assert b"unknown" not in known.SerializeToString()


def test_what_is_known_is_read_whatever_stands_beside_it(client):
    [interaction] = client.search_interactions(user_id="ana", query="hello").interactions
    assert (interaction.content, interaction.score) == ("hello", 0.5)
    assert interaction.user_action is UserActionType.NONE
    assert [tool.tool_data for tool in interaction.tools_used] == [{"order": "QX-48213"}]
    [listed] = client.get_interactions(user_id="ana").interactions
    assert listed.content == "hello"
    [session] = client.get_requests(user_id="ana").sessions
    assert session.requests[0].interactions[0].content == "hello"
    published = client.publish_interaction("ana", [{"content": "x"}], wait_for_response=True)
    assert published.interaction_ids == [7, 8]


def test_an_unknown_role_and_state_break_nothing(client):
    assert client.whoami().organization_name == "default"
    assert client.server_info().version == "9.0.0"


def test_an_unknown_reason_is_raised_as_its_status(client):
    with pytest.raises(FailedPreconditionError) as raised:
        client.erase_user("ana")
    assert raised.value.reason == "FROM_LATER"


def test_a_stream_of_publishes_tells_of_what_it_does_not_understand(client):
    publish = {"user_id": "ana", "interactions": [{"content": "x"}]}
    published, refused, unknown = client.publish_interactions([publish] * 3)
    assert published.interaction_ids == [7, 8]
    assert type(refused) is FailedPreconditionError
    assert type(unknown) is ReflexioError
    assert "does not know" in str(unknown)


def test_the_stubs_run_the_table_of_a_newer_server(target):
    assert PYTHON.prepare().run_against(target, NEWER).failures(NEWER) == {}
