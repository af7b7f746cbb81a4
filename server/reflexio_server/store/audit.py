"""What administrators did, and who logged in. Rows are only ever added: a trigger refuses everything else."""

from collections.abc import Sequence

from reflexio_server.domain.access import AuditEvent, AuditOutcome, Author
from reflexio_server.domain.ids import OrgId
from reflexio_server.store.database import Database
from reflexio_server.store.direct import DirectConnection
from reflexio_server.store.moments import nanoseconds

_RECORD = """
    insert into audit_events (org_id, actor, credential, action, target, outcome, address, request_id)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
"""

_EVENTS = """
    select event_id, occurred_at, actor, credential, address, request_id, action, target, outcome
    from audit_events
    where org_id = $1 and event_id < $2 and ($3 = '' or action = $3)
    order by event_id desc limit $4
"""


async def record(
    connection: DirectConnection,
    org_id: OrgId,
    author: Author,
    action: str,
    target: str,
    outcome: AuditOutcome = AuditOutcome.DONE,
) -> None:
    """Add an event, in the transaction of what it tells of where there is one."""
    who = (author.actor, author.credential)
    where = (author.address, author.request_id)
    await connection.execute(_RECORD, org_id, *who, action, target, outcome.value, *where)


async def events(database: Database, org_id: OrgId, *, action: str, before: int, limit: int) -> Sequence[AuditEvent]:
    """The newest events of an organisation, newest first.

    Args:
        database: Where they are.
        org_id: Whose.
        action: Only those of this action; empty for all.
        before: Only those of smaller numbers.
        limit: How many at most.
    """
    async with database.direct(org_id) as connection:
        rows = await connection.fetch(_EVENTS, org_id, before, action, limit)
    return [
        AuditEvent(event_id, nanoseconds(at), Author(*author), act, target, AuditOutcome(outcome))
        for event_id, at, *author, act, target, outcome in rows
    ]
