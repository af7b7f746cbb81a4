"""Which SQL the service sends: noted while its own code runs, so that a floor need not write it again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import asyncpg
from sqlalchemy import Connection, Engine, event


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the driver got it."""

    sql: str
    parameters: Sequence[Any]
    many: bool
    """Whether there are several rows of parameters."""


@dataclass(slots=True)
class Step:
    """Statements that stand or fall together."""

    in_transaction: bool
    """False for a single statement that is its own transaction."""
    statements: list[Statement] = field(default_factory=list)


class Recorder:
    """Notes everything that SQLAlchemy sends from this process, for the length of a `with` block."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._transactions: dict[Connection, Step] = {}
        self._listeners = {
            "before_cursor_execute": self._on_statement,
            "commit": self._on_end,
            "rollback": self._on_end,
        }

    def __enter__(self) -> Self:
        for name, listener in self._listeners.items():
            event.listen(Engine, name, listener)
        return self

    def __exit__(self, *_: object) -> None:
        for name, listener in self._listeners.items():
            event.remove(Engine, name, listener)

    def take(self) -> list[Step]:
        """What was noted since it was last taken, in the order in which it began."""
        steps, self._steps = self._steps, []
        return steps

    def _on_statement(
        self, connection: Connection, _cursor: Any, sql: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        statement = Statement(sql, parameters, many)
        if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
            self._steps.append(Step(in_transaction=False, statements=[statement]))
            return
        if connection not in self._transactions:
            self._transactions[connection] = Step(in_transaction=True)
            self._steps.append(self._transactions[connection])
        self._transactions[connection].statements.append(statement)

    def _on_end(self, connection: Connection) -> None:
        self._transactions.pop(connection, None)


async def replay(connection: asyncpg.Connection, steps: Sequence[Step]) -> None:
    """Send what was noted straight through asyncpg, one after the other, and read what comes back."""
    for step in steps:
        if step.in_transaction:
            async with connection.transaction():
                await _send(connection, step)
        else:
            await _send(connection, step)


async def _send(connection: asyncpg.Connection, step: Step) -> None:
    for statement in step.statements:
        if statement.many:
            await connection.executemany(statement.sql, statement.parameters)
        else:
            await connection.fetch(statement.sql, *statement.parameters)
