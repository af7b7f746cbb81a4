"""What a call ends with while the server says that it cannot work: what is wrong, and when to come back."""

import threading

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from reflexio import DatabaseUnavailableError, DeadlineExceededError, InternalError
from reflexio._transport.attempts import Attempts
from reflexio.v1.server_service_pb2 import WhoAmIResponse

from tests.client.shells import SHELLS, opened
from tests.client.wire import refuse


def no_database(context, seconds):
    reason = ErrorInfo(reason="ERROR_REASON_DATABASE_UNAVAILABLE", domain="reflexio")
    refuse(context, Code.UNAVAILABLE, "no database", reason, RetryInfo(retry_delay=Duration(seconds=seconds)))


@pytest.mark.parametrize("kind", SHELLS)
async def test_a_short_timeout_hides_neither_what_is_wrong_nor_when_to_retry(kind, wire):
    wire.answers["WhoAmI"] = lambda _, context: no_database(context, 5)
    async with opened(kind, wire.url, timeout=1) as shell:
        with pytest.raises(DatabaseUnavailableError, match="no database") as caught:
            await shell.whoami()

    assert caught.value.retry_after == 5
    assert len(wire.requests) == 1


async def test_with_a_short_timeout_it_is_still_tried_again(wire):
    def answer(_, context):
        if len(wire.requests) < 3:
            refuse(context, Code.UNAVAILABLE, "busy")
        return WhoAmIResponse(role=1)

    wire.answers["WhoAmI"] = answer
    async with opened("sync", wire.url, timeout=2) as shell:
        assert (await shell.whoami()).role == "reader"
    assert len(wire.requests) == 3


@pytest.mark.parametrize("kind", SHELLS)
async def test_a_last_attempt_without_time_does_not_hide_what_was_said_before(kind, wire):
    released = threading.Event()

    def answer(_, context):
        # gRPC makes five attempts; what the client adds to them gets no answer.
        if len(wire.requests) > 5:
            released.wait(20)
        no_database(context, 1)

    wire.answers["WhoAmI"] = answer
    async with opened(kind, wire.url, timeout=3.5) as shell:
        with pytest.raises(DatabaseUnavailableError) as caught:
            await shell.whoami()
    released.set()

    assert caught.value.retry_after == 1
    assert isinstance(caught.value.__cause__, grpc.RpcError)
    assert caught.value.__cause__.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_only_an_attempt_without_time_fails_with_what_was_said_before():
    now = [0.0]
    silent, gone, other = DeadlineExceededError("silent"), DatabaseUnavailableError("gone"), InternalError("other")
    attempts = Attempts(10, clock=lambda: now[0])

    assert attempts.outcome(silent) is silent
    attempts.pause_after(gone, answered_before=True)
    assert attempts.outcome(silent) is silent
    now[0] = 8.0
    attempts.pause_after(gone, answered_before=True)
    assert attempts.outcome(silent) is gone
    assert attempts.outcome(other) is other
