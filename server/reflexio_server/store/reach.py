"""How far a connection's statements reach: one organisation, all of them for a named purpose, or nobody's rows.

Postgres enforces it, by the policies of `barrier.py`, on two settings of the session. A statement that forgets to name
an organisation finds nothing of another one.
"""

from enum import StrEnum
from typing import Any

from reflexio_server.domain.ids import OrgId


class Purpose(StrEnum):
    """Work that concerns every organisation. `barrier.REACHES` says which rows each of them may read and change."""

    EMBEDDING = "embedding"
    """Claiming what waits for being embedded, whosever it is, and counting it."""
    REINDEXING = "reindexing"
    """Building the vectors of another embedding model, switching to it, removing those of a former one."""
    HOUSEKEEPING = "housekeeping"
    """Forgetting old keys and deletions, finding out whose retention is due and which partitions are stale."""
    CREDENTIALS = "credentials"
    """Finding out whose a key, a certificate or an address is."""
    ADMINISTRATION = "administration"
    """What operators do with organisations, and with certificates that stand for them."""
    BACKUP = "backup"
    """Reading everything, by `pg_dump`. No statement of the server does."""


Reach = OrgId | Purpose | None
"""None is for what belongs to no organisation: which embedding model is active, sequences, the schema."""


def settings_of(reach: Reach) -> tuple[str, str]:
    """The organisation and the purpose, as Postgres is told them; empty where there is none."""
    if reach is None:
        return "", ""
    if isinstance(reach, Purpose):
        return "", reach.value
    return str(int(reach)), ""


SET_FOR_TRANSACTION = "select set_config('reflexio.org_id', $1, true), set_config('reflexio.purpose', $2, true)"
"""With what `settings_of` gives; forgotten at the end of the transaction."""


async def narrow(connection: Any, org_id: OrgId) -> None:
    """Have the rest of a transaction reach one organisation: one that was found or made in it, for a purpose.

    Args:
        connection: What `Database.direct` lends, in a transaction.
        org_id: Which.
    """
    await connection.execute(SET_FOR_TRANSACTION, *settings_of(org_id))


def setting_session(reach: Reach) -> str:
    """Statements, to be sent as one, that hold for the session until others are sent."""
    org_id, purpose = settings_of(reach)
    return f"set reflexio.org_id = '{org_id}'; set reflexio.purpose = '{purpose}'"
