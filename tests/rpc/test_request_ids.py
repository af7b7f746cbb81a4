"""The request id comes back with every call, and the log has what belongs to it."""

import asyncio

import grpc
import pytest
from opentelemetry import context, trace
from reflexio.v1 import data_service_pb2, server_service_pb2
from reflexio_server.access.caller import LOCAL_CALLER, current_caller
from reflexio_server.rpc.interceptors import logging
from reflexio_server.telemetry import metrics

from tests.rpc.wire import Caller

SENT = [("x-request-id", "the web request")]


def told(trailers) -> list[str]:
    return [value for key, value in trailers if key == "x-request-id"]


async def test_a_call_that_is_answered_brings_it_back(call: Caller):
    stub = call("WhoAmI", server_service_pb2.WhoAmIRequest(), metadata=SENT)
    await stub
    assert told(await stub.trailing_metadata()) == ["the web request"]


async def test_so_does_one_that_is_refused_and_once(call: Caller):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.send("WhoAmI", b"\xff", metadata=SENT)
    assert told(caught.value.trailing_metadata()) == ["the web request"]


async def test_so_does_a_stream(call: Caller):
    stub = call.channel.unary_stream(
        "/reflexio.v1.DataService/ExportData",
        request_serializer=data_service_pb2.ExportDataRequest.SerializeToString,
        response_deserializer=data_service_pb2.ExportDataResponse.FromString,
    )
    stream = stub(data_service_pb2.ExportDataRequest(user_id="nobody at all"), metadata=SENT)
    async for _ in stream:
        pass
    assert told(await stream.trailing_metadata()) == ["the web request"]


async def test_a_call_that_names_none_is_given_one(call: Caller):
    stub = call("WhoAmI", server_service_pb2.WhoAmIRequest())
    await stub
    [given] = told(await stub.trailing_metadata())
    assert len(given) == 32


async def test_lines_of_a_call_have_its_trace_also_where_nothing_is_traced_here():
    async def in_a_call():
        assert logging._facts_of_call() == {}
        logging.call_id.set("an id")
        logging._call_method.set("/reflexio.v1.S/M")
        assert logging._facts_of_call() == {"request_id": "an id", "method": "/reflexio.v1.S/M"}
        current_caller.set(LOCAL_CALLER)
        span = trace.NonRecordingSpan(trace.SpanContext(7, 1, is_remote=True))
        context.attach(trace.set_span_in_context(span))
        return logging._facts_of_call()

    facts = await asyncio.create_task(in_a_call())
    assert (facts["organization"], facts["trace_id"]) == (LOCAL_CALLER.org_id, f"{7:032x}")


async def test_gauges_follow_the_database(fresh_server):
    """As health does; what notices an outage is tested where outages are."""

    async def told_of(answers):
        await fresh_server.app._on_database(answers)
        return metrics.serving.source(), metrics.database_up.source()

    def from_its_loop(answers):
        return asyncio.run_coroutine_threadsafe(told_of(answers), fresh_server._loop).result(10)

    assert await asyncio.to_thread(from_its_loop, False) == (0, 0)
    assert await asyncio.to_thread(from_its_loop, True) == (1, 1)
