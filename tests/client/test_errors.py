"""Every way in which a call can fail becomes an error that says what happened."""

import pickle
import subprocess
import sys
import threading

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from reflexio import _error_classes, errors
from reflexio._error_details import error_details_from
from reflexio.v1.error_reason_pb2 import ErrorReason
from reflexio.v1.server_service_pb2 import WhoAmIResponse

from tests.client.shells import SHELLS, opened
from tests.client.wire import refuse

INTERACTIONS = [{"content": "hello"}]


def info(reason, domain="reflexio", **metadata):
    return ErrorInfo(reason=reason, domain=domain, metadata=metadata)


async def failure(wire, wire_client, code, text, *details):
    wire.answers["PublishInteractions"] = lambda _, context: refuse(context, code, text, *details)
    with pytest.raises(errors.ReflexioError) as caught:
        await wire_client.publish_interaction("u", INTERACTIONS)
    return caught.value


def test_every_reason_of_the_contract_has_an_error_class():
    names = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118  # No dict.

    assert names == set(_error_classes.BY_REASON)


def test_every_status_has_an_error_class():
    assert {code.name for code in grpc.StatusCode} - {"OK"} == set(_error_classes._BY_STATUS)


async def test_a_refusal_is_told_whole(wire, wire_client):
    violations = [
        BadRequest.FieldViolation(field="interactions[0].image", description="is no picture"),
        BadRequest.FieldViolation(field="interactions[1].image", description="is damaged"),
        BadRequest.FieldViolation(field="interactions[1].role", description="too long"),
    ]
    error = await failure(
        wire, wire_client, Code.INVALID_ARGUMENT,
        "interactions[0].image: is no picture; interactions[1].image: is damaged (and 1 more)",
        info("ERROR_REASON_INVALID_IMAGE", field="interactions[0].image", rule="image.format"),
        BadRequest(field_violations=violations),
    )  # fmt: skip

    assert type(error) is errors.InvalidImageError
    assert isinstance(error, ValueError)
    assert str(error) == (
        "interactions[0].image_encoding: is no picture; interactions[1].image_encoding: is damaged (and 1 more)"
    )
    assert (error.reason, error.status) == ("INVALID_IMAGE", "INVALID_ARGUMENT")
    assert error.metadata["rule"] == "image.format"
    assert [(v.field, v.description) for v in error.field_violations] == [
        ("interactions[0].image_encoding", "is no picture"),
        ("interactions[1].image_encoding", "is damaged"),
        ("interactions[1].role", "too long"),
    ]
    assert error.request_id == wire.metadata[0]["x-request-id"]
    assert error.retry_after is None
    assert isinstance(error.__cause__, grpc.RpcError)
    assert error.__cause__.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_where_a_key_is_missing_it_says_where_to_give_one(wire, wire_client):
    error = await failure(
        wire, wire_client, Code.UNAUTHENTICATED, "send metadata", info("ERROR_REASON_API_KEY_MISSING")
    )

    assert type(error) is errors.ApiKeyMissingError
    assert str(error).endswith("give it as ReflexioClient(api_key=…) or in REFLEXIO_API_KEY")


async def test_a_reason_that_is_not_known_becomes_the_class_of_its_status(wire, wire_client):
    error = await failure(wire, wire_client, Code.NOT_FOUND, "no such thing", info("ERROR_REASON_FROM_THE_FUTURE"))

    assert (type(error), error.reason, str(error)) == (errors.NotFoundError, "FROM_THE_FUTURE", "no such thing")


async def test_somebody_elses_reason_is_not_taken_for_ours(wire, wire_client):
    error = await failure(
        wire, wire_client, Code.PERMISSION_DENIED, "no", info("ERROR_REASON_INTERNAL", domain="proxy.example")
    )

    assert (type(error), error.reason, error.metadata) == (errors.PermissionDeniedError, "PERMISSION_DENIED", {})


async def test_an_error_without_details_goes_by_its_status(wire, wire_client):
    error = await failure(wire, wire_client, Code.UNAUTHENTICATED, "who are you?")

    assert (type(error), error.reason, str(error)) == (errors.UnauthenticatedError, "UNAUTHENTICATED", "who are you?")


async def test_a_refusal_says_when_to_come_back(wire, wire_client):
    delay = RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000))
    error = await failure(wire, wire_client, Code.RESOURCE_EXHAUSTED, "too much", delay)

    assert (type(error), error.retry_after) == (errors.ResourceExhaustedError, 2.5)


async def test_the_fault_of_a_server_has_the_id_under_which_its_log_knows_it(wire, wire_client):
    error = await failure(
        wire, wire_client, Code.INTERNAL, "internal error", info("ERROR_REASON_INTERNAL", request_id="r9")
    )

    assert (type(error), error.request_id) == (errors.InternalError, "r9")


async def test_a_method_that_is_not_there_is_told_with_the_endpoint(wire, wire_client):
    with pytest.raises(errors.UnimplementedError, match=rf"{wire.url}.*reflexio serve"):
        await wire_client.whoami()


async def test_a_message_that_is_too_large_says_what_to_do(wire, wire_client):
    text = "SERVER: Received message larger than max (40000071 vs. 33685504)"
    error = await failure(wire, wire_client, Code.RESOURCE_EXHAUSTED, text)

    assert "40,000,071 bytes is larger than max, 32 MiB; " in str(error)
    assert "REFLEXIO_MAX_MESSAGE_MB" in str(error)


async def test_many_violations_fit_into_an_error(wire, wire_client):
    violations = [
        BadRequest.FieldViolation(field=f"interactions[{n}].role", description="too long") for n in range(1000)
    ]
    error = await failure(
        wire, wire_client, Code.INVALID_ARGUMENT, "bad", info("ERROR_REASON_INVALID_FIELD"),
        BadRequest(field_violations=violations),
    )  # fmt: skip

    assert len(error.field_violations) == 1000


@pytest.mark.parametrize("encoded", [None, b"", b"\xff\xff\xff", b"\x1a\x05\x0a\x03abc"])
def test_details_that_cannot_be_read_are_left_out(encoded):
    found = error_details_from(encoded)

    assert (found.reason, found.field_violations, found.retry_after) == (None, [], None)


def test_errors_survive_the_way_between_processes():
    error = errors.invalid_argument("top_k", "must be at least 1")
    back = pickle.loads(pickle.dumps(error))

    assert (type(back), str(back), back.field_violations) == (type(error), str(error), error.field_violations)


@pytest.mark.parametrize("first", ["google.rpc.error_details_pb2", "reflexio._error_details"])
def test_our_copy_of_the_details_lives_beside_the_usual_package(first):
    """In either order of imports, in a process of its own."""
    second = {"google.rpc.error_details_pb2": "reflexio._error_details"}.get(first, "google.rpc.error_details_pb2")
    program = (
        f"import {first}, {second}\n"
        "from google.rpc import error_details_pb2, status_pb2\n"
        "from reflexio._error_details import error_details_from\n"
        "status = status_pb2.Status(code=3)\n"
        "status.details.add().Pack(error_details_pb2.ErrorInfo(reason='R', domain='reflexio', metadata={'a': 'b'}))\n"
        "found = error_details_from(status.SerializeToString())\n"
        "assert (found.reason, found.metadata) == ('R', {'a': 'b'})\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)


async def test_an_answer_that_comes_too_late_is_a_timeout(wire):
    released = threading.Event()
    wire.answers["WhoAmI"] = lambda *_: released.wait(20) and WhoAmIResponse()
    for kind in SHELLS:
        async with opened(kind, wire.url, timeout=0.3) as shell:
            with pytest.raises(errors.DeadlineExceededError, match=wire.url) as caught:
                await shell.whoami()
        assert str(caught.value) == f"no answer from {wire.url} in time"
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.reason == "DEADLINE_EXCEEDED"
    released.set()
