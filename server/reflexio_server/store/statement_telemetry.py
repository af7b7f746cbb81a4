"""Measures the statements that go to Postgres, whichever of the two ways they take. Their arguments are not looked at.

What comes through SQLAlchemy is executed here; what goes straight to the driver goes through an object in between:
the driver's own log of queries costs three times as much.
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
    event.listen(engine.sync_engine, "do_execute", _execute)


def _execute(cursor: Any, statement: str, parameters: Any, _context: Any) -> bool:
    """Stands in for SQLAlchemy's own. Its events before and after a statement cost three times as much."""
    began = time.perf_counter()
    error = None
    try:
        cursor.execute(statement, parameters)
    except BaseException as caught:
        error = type(caught).__name__
        raise
    finally:
        _measured(statement, time.perf_counter() - began, error)
    return True


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
