"""The queue by user and age, so that users take turns in it.

Revision ID: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Put the newer index in the place of the one by user only."""
    op.execute(
        "create index ix_embedding_queue_org_id_user_id_leased_until on embedding_queue (org_id, user_id, leased_until)"
    )
    op.execute("drop index ix_embedding_queue_org_id_user_id")
