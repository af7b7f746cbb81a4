"""SQL with named parameters, for a driver that numbers them."""

import re
from collections.abc import Mapping
from typing import Any

_PARAMETER = re.compile(r"(?<!:):([a-z]\w*)")


class Statement:
    """A statement in which `:name` stands for a parameter, for `Database.direct`.

    await connection.fetch(statement.sql, *statement.arguments({"name": value}))
    """

    def __init__(self, sql: str, types: Mapping[str, str]) -> None:
        """Number the parameters.

        Args:
            sql: The statement. No literal in it may look like a parameter.
            types: What Postgres is to take each parameter for: `bigint`, `text[]`… Those that `sql` does not name are
                no harm.

        Raises:
            KeyError: A parameter has no type.
        """
        names = tuple(dict.fromkeys(_PARAMETER.findall(sql)))
        numbers = {name: f"${number}::{types[name]}" for number, name in enumerate(names, 1)}
        self.sql = _PARAMETER.sub(lambda found: numbers[found[1]], sql)
        """What to send."""
        self._names = names

    def arguments(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """What to send with it, of `values` by the parameters' names; there may be more of them.

        Raises:
            KeyError: One is missing.
        """
        return tuple([values[name] for name in self._names])
