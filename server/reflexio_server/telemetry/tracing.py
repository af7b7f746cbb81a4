"""Spans, and the trace that a call belongs to."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

_tracer = trace.get_tracer("reflexio")

_is_on = False


def turn(*, on: bool) -> None:
    """Begin or cease to make spans."""
    global _is_on  # noqa: PLW0603 -- one process, one server, and OpenTelemetry's provider is global too.
    _is_on = on


def trace_id() -> str | None:
    """The W3C id of the trace in progress, 32 hexadecimal digits: ours, or the caller's also where we trace nothing."""
    found = trace.get_current_span().get_span_context()
    return trace.format_trace_id(found.trace_id) if found.is_valid else None


def propagated_fields() -> frozenset[str]:
    """The names under which a caller may have sent its trace, `traceparent` for one; OTEL_PROPAGATORS chooses them."""
    return frozenset(propagate.get_global_textmap().fields)


@contextmanager
def trace_of_caller(carrier: Mapping[str, str]) -> Iterator[None]:
    """Go on with the trace that a caller sent; an unreadable one is none."""
    if not carrier:
        yield
        return
    token = context.attach(propagate.extract(carrier))
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def call_span(name: str, attributes: Mapping[str, AttributeValue]) -> Iterator[Span]:
    """The span of a call that is answered here; what the block sets on it says how it ended."""
    if not _is_on:
        yield trace.INVALID_SPAN
        return
    with _tracer.start_as_current_span(
        name, kind=SpanKind.SERVER, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        yield span


@contextmanager
def work_span(name: str, attributes: Mapping[str, AttributeValue] | None = None) -> Iterator[Span]:
    """The span of a piece of work in this process. An exception marks it by its kind only: its text may be a user's."""
    if not _is_on:
        yield trace.INVALID_SPAN
        return
    with _tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            failed(span, type(error).__name__)
            raise


def statement_span(name: str, seconds: float, attributes: Mapping[str, AttributeValue], error: str | None) -> None:
    """The span of a statement that has just ended.

    Args:
        name: What it does, in few words.
        seconds: How long it took.
        attributes: What else there is to say.
        error: The kind of what went wrong; None where nothing did.
    """
    if not _is_on or not trace.get_current_span().is_recording():
        return  # Of what nobody called for there is too much.
    ended = time.time_ns()
    span = _tracer.start_span(
        name, kind=SpanKind.CLIENT, attributes=attributes, start_time=ended - round(seconds * 1e9)
    )
    if error is not None:
        failed(span, error)
    span.end(ended)


def failed(span: Span, kind: str) -> None:
    """Mark a span as failed."""
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)
