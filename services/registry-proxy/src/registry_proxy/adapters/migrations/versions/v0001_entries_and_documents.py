"""Entries in one chain, and the documents that they name."""

import sqlalchemy as sa
from alembic import op

from registry_proxy.adapters.ledger_database import append_only

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first schema; where it was made without Alembic, this step is only noted."""
    seq = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "entries",
        sa.Column("seq", seq, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("previous", sa.String(71), nullable=False),
        sa.Column("hash", sa.String(71), nullable=False, unique=True),
    )
    op.create_index("entries_by_model", "entries", ["model", "seq"])
    op.create_table(
        "documents",
        sa.Column("digest", sa.String(71), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    for table in ("entries", "documents"):
        for statement in append_only(op.get_bind().dialect.name, table):
            op.execute(statement)
