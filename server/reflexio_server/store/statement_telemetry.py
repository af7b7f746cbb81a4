"""Measures the statements that go to Postgres, whichever of the two ways they take. Their arguments are not looked at.

What comes through SQLAlchemy is seen by its events. What goes straight to the driver goes through an object in
between: the driver's own log of queries costs three times as much.
"""

import re
import time
from collections.abc import Awaitable
from functools import lru_cache
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from reflexio_server.store.tables import metadata
from reflexio_server.telemetry import metrics
from reflexio_server.telemetry.tracing import statement_span

_CHANGE = re.compile(r"\b(insert into|update|delete from)\s+(\w+)", re.IGNORECASE)
_READ = re.compile(r"\b(from|join)\s+(\w+)", re.IGNORECASE)

_MOST_STATEMENTS = 1024


def watch_engine(engine: AsyncEngine) -> None:
    """Measure what is sent through an engine."""

    def before(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
        context.reflexio_began = time.perf_counter()

    def after(_connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool) -> None:
        _measured(statement, time.perf_counter() - context.reflexio_began, None)

    def failed(context: Any) -> None:
        began = getattr(context.execution_context, "reflexio_began", None)
        if began is not None:
            _measured(context.statement, time.perf_counter() - began, type(context.original_exception).__name__)

    event.listen(engine.sync_engine, "before_cursor_execute", before)
    event.listen(engine.sync_engine, "after_cursor_execute", after)
    event.listen(engine.sync_engine, "handle_error", failed)


class MeasuredConnection:
    """A connection of the driver as `Direct` lends it, each statement measured."""

    __slots__ = ("_connection", "transaction")

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.transaction = connection.transaction

    async def fetch(self, query: str, *arguments: Any) -> Any:
        """As the driver does."""
        return await _timed(query, self._connection.fetch(query, *arguments))

    async def fetchrow(self, query: str, *arguments: Any) -> Any:
        """As the driver does."""
        return await _timed(query, self._connection.fetchrow(query, *arguments))

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        """As the driver does."""
        return await _timed(query, self._connection.fetchval(query, *arguments))

    async def execute(self, query: str, *arguments: Any) -> Any:
        """As the driver does."""
        return await _timed(query, self._connection.execute(query, *arguments))


async def _timed(statement: str, answer: Awaitable[Any]) -> Any:
    began = time.perf_counter()
    error = None
    try:
        return await answer
    except BaseException as caught:
        error = type(caught).__name__
        raise
    finally:
        _measured(statement, time.perf_counter() - began, error)


def _measured(statement: str, seconds: float, error: str | None) -> None:
    name, attributes = _described(statement)
    if error is not None:
        attributes = {**attributes, "error.type": error}
    metrics.statement_seconds.record(seconds, attributes)
    statement_span(name, seconds, attributes, error)


@lru_cache(_MOST_STATEMENTS)
def _described(statement: str) -> tuple[str, dict[str, str]]:
    kind, table = kind_of(statement)
    attributes = {"db.system.name": "postgresql", "db.operation.name": kind}
    if table:
        attributes["db.collection.name"] = table
    return f"{kind} {table}".rstrip(), attributes


def kind_of(statement: str) -> tuple[str, str]:
    """What a statement does, and the first of our tables that it does it to; empty where it names none."""
    for found in _CHANGE.finditer(statement):
        if found[2] in metadata.tables:
            return found[1].split()[0].lower(), found[2]
    table = next((found[2] for found in _READ.finditer(statement) if found[2] in metadata.tables), "")
    first = statement.split(None, 1)[0].lower() if statement.strip() else ""
    return ("select" if table or first in {"select", "with"} else first or "other"), table
