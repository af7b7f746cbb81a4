"""Since when each interaction waits for being embedded, for operators and for what scales servers out.

Revision ID: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0006"


def upgrade() -> None:
    """Add the column. Servers of the version before leave it to its default; what waits already counts from now."""
    op.execute("alter table embedding_queue add column queued_at timestamptz not null default now()")
