"""Row-level security between organisations, under every table that has them.

Revision ID: 0009
"""

from collections.abc import Collection, Mapping

from alembic import op
from sqlalchemy import text

from reflexio_server.store.barrier import let_unmarked_in, protect
from reflexio_server.store.reach import Purpose

revision = "0009"
down_revision = "0008"

_TABLES: Mapping[str, Mapping[str, Collection[Purpose]]] = {
    "organizations": {
        "select": {Purpose.CREDENTIALS, Purpose.ADMINISTRATION},
        "insert": {Purpose.ADMINISTRATION},
    },
    "accounts": {"select": {Purpose.CREDENTIALS}},
    "api_keys": {"select": {Purpose.CREDENTIALS}},
    "certificate_identities": {
        "select": {Purpose.CREDENTIALS, Purpose.ADMINISTRATION},
        "delete": {Purpose.ADMINISTRATION},
    },
    "audit_events": {},
    "requests": {},
    "interactions": {"select": {Purpose.EMBEDDING, Purpose.REINDEXING}},
    "images": {},
    "embedding_queue": {
        "select": {Purpose.EMBEDDING, Purpose.REINDEXING},
        "insert": {Purpose.REINDEXING},
        "update": {Purpose.EMBEDDING, Purpose.REINDEXING},
        "delete": {Purpose.REINDEXING},
    },
    "vectors": {"select": {Purpose.REINDEXING}, "delete": {Purpose.REINDEXING}},
    "user_versions": {
        "select": {Purpose.REINDEXING, Purpose.HOUSEKEEPING},
        "update": {Purpose.REINDEXING, Purpose.HOUSEKEEPING},
    },
    "vector_deletions": {"select": {Purpose.HOUSEKEEPING}, "delete": {Purpose.HOUSEKEEPING}},
    "idempotency_keys": {"select": {Purpose.HOUSEKEEPING}, "delete": {Purpose.HOUSEKEEPING}},
    "retention_policies": {"select": {Purpose.HOUSEKEEPING}, "update": {Purpose.HOUSEKEEPING}},
}

_HAS_OLDER_SERVER = text("""
    select exists (
        select from pg_stat_activity where datname = current_database() and application_name = 'reflexio')
""")


def upgrade() -> None:
    """Put all tables behind the barrier.

    Servers of the versions before tell Postgres no organisation. Where one is connected it is let through, until
    `transition.py` finds that none is left; none of them can start any more.
    """
    has_older_server = op.get_bind().execute(_HAS_OLDER_SERVER).scalar_one()
    # All at once and in one order: whoever is at work ends, and then everybody waits for this.
    op.execute(f"lock table {', '.join(_TABLES)} in access exclusive mode")
    for table, reaches in _TABLES.items():
        for statement in protect(table, reaches):
            op.execute(statement)
        if has_older_server:
            op.execute(let_unmarked_in(table))
