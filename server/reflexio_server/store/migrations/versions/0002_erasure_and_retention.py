"""Whose each idempotency key is, so that erasing a user finds them; how long each organisation keeps its data.

Revision ID: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"

# Of a key whose request was deleted nobody knows any more whose it was: it keeps no digest of what was said.
# The default stays, because a server of the version before may publish while this one runs beside it.
_STATEMENTS = """
alter table idempotency_keys add column user_id text not null default '';

update idempotency_keys k set user_id = r.user_id
from requests r where r.org_id = k.org_id and r.request_id = k.request_id;

update idempotency_keys set fingerprint = '' where user_id = '';

create index ix_idempotency_keys_org_id_user_id on idempotency_keys (org_id, user_id);

create table retention_policies (
    org_id bigint not null,
    max_age_seconds bigint not null,
    next_run timestamptz not null default now(),
    constraint pk_retention_policies primary key (org_id)
);
"""


def upgrade() -> None:
    """Change the tables. The driver takes one statement at a time."""
    for statement in _STATEMENTS.split(";\n\n"):
        op.execute(statement.rstrip(";\n"))
