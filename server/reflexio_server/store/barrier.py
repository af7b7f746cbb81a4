"""The barrier between organisations: row-level security on every table with an organisation.

Postgres applies these policies to every statement but those of superusers. They compare rows with settings of the
session, which `reach.py` describes; where those are missing they let nothing through.
"""

from collections.abc import Collection, Mapping, Sequence

from reflexio_server.store.reach import Purpose

_OF_ORGANIZATION = "org_id = nullif(current_setting('reflexio.org_id', true), '')::bigint"
# In a query of its own, so that the planner takes it for as likely as not: what it expects to find of an organisation
# would otherwise be divided by the number of organisations twice.
_FOR_PURPOSE = "(select current_setting('reflexio.purpose', true) in ({purposes}))"
_UNMARKED = "(select current_setting('reflexio.org_id', true) is null)"


def protect(table: str, reaches: Mapping[str, Collection[Purpose]]) -> Sequence[str]:
    """The statements that put a table with `org_id` behind the barrier, its owner included.

    `Purpose.BACKUP` may read every table. A migration that changes rows afterwards sees none of them, unless it takes
    the barrier away for its transaction with `alter table … no force row level security`.

    Args:
        table: Its name.
        reaches: For `select`, `insert`, `update` and `delete` the purposes that reach the rows of every organisation.
    """
    readers = {Purpose.BACKUP, *reaches.get("select", ())}
    return [
        f"alter table {table} enable row level security",
        f"alter table {table} force row level security",
        f"create policy organization on {table} using ({_OF_ORGANIZATION})",
        *(_reaching(table, command, purposes) for command, purposes in {**reaches, "select": readers}.items()),
    ]


def let_unmarked_in(table: str) -> str:
    """The statement that lets sessions through that were never told an organisation: those of older servers."""
    return f"create policy unmarked on {table} using ({_UNMARKED})"


def _reaching(table: str, command: str, purposes: Collection[Purpose]) -> str:
    clause = "with check" if command == "insert" else "using"
    listed = ", ".join(f"'{purpose}'" for purpose in sorted(purposes))
    return f"create policy purpose_{command} on {table} for {command} {clause} ({_FOR_PURPOSE.format(purposes=listed)})"
