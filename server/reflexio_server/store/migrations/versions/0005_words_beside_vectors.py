"""The words of an interaction beside its first vector, so that partitions are loaded without unpacking lexemes.

Revision ID: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column. Where it is null, an older server stored the vector, and the words are read from the lexemes."""
    op.execute("alter table vectors add column words bytea")
    op.execute("alter table vectors alter column words set storage external")
