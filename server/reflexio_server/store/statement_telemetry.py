"""Measures the statements that go to Postgres, whichever of the two ways they take. Their arguments are not looked at.

What comes through SQLAlchemy is prepared and seen by its events; what goes straight to the driver by the driver's log.
"""

import re
import time
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


def watch_driver(connection: Any) -> None:
    """Measure what is sent straight through a connection of the driver."""
    connection.add_query_logger(_logged)


def _logged(record: Any) -> None:
    error = None if record.exception is None else type(record.exception).__name__
    _measured(record.query, record.elapsed, error)


def _measured(statement: str, seconds: float, error: str | None) -> None:
    kind, table = kind_of(statement)
    attributes = {"db.system.name": "postgresql", "db.operation.name": kind}
    if table:
        attributes["db.collection.name"] = table
    if error is not None:
        attributes["error.type"] = error
    metrics.statement_seconds.record(seconds, attributes)
    statement_span(f"{kind} {table}".rstrip(), seconds, attributes, error)


@lru_cache(_MOST_STATEMENTS)
def kind_of(statement: str) -> tuple[str, str]:
    """What a statement does, and the first of our tables that it does it to; empty where it names none."""
    for found in _CHANGE.finditer(statement):
        if found[2] in metadata.tables:
            return found[1].split()[0].lower(), found[2]
    table = next((found[2] for found in _READ.finditer(statement) if found[2] in metadata.tables), "")
    first = statement.split(None, 1)[0].lower() if statement.strip() else ""
    return ("select" if table or first in {"select", "with"} else first or "other"), table
