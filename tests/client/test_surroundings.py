"""What a call takes along of the program around it: a request id and a trace."""

import subprocess
import sys

import pytest
import reflexio
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import ErrorInfo, RequestInfo
from opentelemetry import baggage, context, trace
from reflexio.v1.interaction_service_pb2 import SearchInteractionsResponse
from reflexio.v1.server_service_pb2 import WhoAmIResponse

from tests.client.wire import refuse

TRACE, SPAN = 0x0AF7651916CD43DD8448EB211C80319C, 0x00F067AA0BA902B7


@pytest.fixture
def in_a_trace():
    """A span of the program around the client, as its own tracing would have made it."""
    span = trace.NonRecordingSpan(trace.SpanContext(TRACE, SPAN, is_remote=False, trace_flags=trace.TraceFlags(1)))
    token = context.attach(trace.set_span_in_context(span))
    yield
    context.detach(token)


async def test_calls_go_on_with_the_trace_of_the_program(wire, wire_client, in_a_trace):
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse()
    await wire_client.whoami()
    assert wire.metadata[0]["traceparent"] == f"00-{TRACE:032x}-{SPAN:016x}-01"


async def test_without_a_trace_none_is_sent(wire, wire_client):
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse()
    await wire_client.whoami()
    assert not {"traceparent", "tracestate", "baggage"} & set(wire.metadata[0])


async def test_what_grpc_cannot_carry_is_left_out_and_harms_no_call(wire, wire_client, in_a_trace, monkeypatch):
    def inject(carrier):
        carrier |= {"TraceParent": "kept", "x-trace-bin": "text", "x trace": "v", "tracestate": "Gr\u00fc\u00dfe\n"}

    monkeypatch.setattr("opentelemetry.propagate.inject", inject)
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse()
    await wire_client.whoami()
    assert wire.metadata[0]["traceparent"] == "kept"
    assert not {"x-trace-bin", "x trace", "tracestate"} & set(wire.metadata[0])


async def test_baggage_travels_too(wire, wire_client):
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse()
    token = context.attach(baggage.set_baggage("tier", "gold"))
    try:
        await wire_client.whoami()
    finally:
        context.detach(token)
    assert wire.metadata[0]["baggage"] == "tier=gold"


async def test_the_calls_of_a_user_can_be_told_by_proxies_that_do_not_learn_who_it_is(wire, wire_client):
    wire.answers["SearchInteractions"] = lambda *_: SearchInteractionsResponse()
    wire.answers["WhoAmI"] = lambda *_: WhoAmIResponse()
    for user_id in ("ana", "ana", "b\u00e4rbel"):
        await wire_client.search_interactions(user_id=user_id, query="q")
    await wire_client.whoami()
    first, again, other = (metadata["x-reflexio-affinity"] for metadata in wire.metadata[:3])
    assert first == again != other
    assert not any("ana" in str(value) for value in wire.metadata[0].values())
    assert "x-reflexio-affinity" not in wire.metadata[3]


def test_a_program_without_opentelemetry_does_not_load_it():
    program = (
        "import sys, reflexio\n"
        "try: reflexio.ReflexioClient(url_endpoint='http://127.0.0.1:1', timeout=1).whoami()\n"
        "except reflexio.ReflexioError: pass\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


async def test_calls_travel_under_the_request_id_of_the_program(wire, wire_client):
    wire.answers["WhoAmI"] = lambda _, call: refuse(call, Code.NOT_FOUND, "no")
    with reflexio.x_request_id("web 7"):
        with pytest.raises(reflexio.NotFoundError) as caught:
            await wire_client.whoami()
        with reflexio.x_request_id("inner"), pytest.raises(reflexio.NotFoundError):
            await wire_client.whoami()
        with pytest.raises(reflexio.NotFoundError):
            await wire_client.whoami()
    with pytest.raises(reflexio.NotFoundError):
        await wire_client.whoami()
    assert caught.value.request_id == "web 7"
    sent = [metadata["x-request-id"] for metadata in wire.metadata]
    assert sent[:3] == ["web 7", "inner", "web 7"]
    assert len(sent[3]) == 36


@pytest.mark.parametrize("unusable", ["", " a", "a ", "a\nb", "\u00e4", "x" * 129, 7, None])
def test_a_request_id_that_the_server_would_not_take_is_refused_here(unusable):
    with pytest.raises(reflexio.InvalidArgumentError, match="request_id"), reflexio.x_request_id(unusable):
        pass


async def test_the_request_id_of_an_error_is_that_of_the_servers_log(wire, wire_client):
    """Whatever was sent: proxies may replace it."""
    told = (ErrorInfo(reason="ERROR_REASON_NOT_READY", domain="reflexio"), RequestInfo(request_id="by-the-proxy"))
    wire.answers["WhoAmI"] = lambda _, call: refuse(call, Code.INTERNAL, "broken", *told)
    with pytest.raises(reflexio.ReflexioError) as caught:
        await wire_client.whoami()
    assert caught.value.request_id == "by-the-proxy"
