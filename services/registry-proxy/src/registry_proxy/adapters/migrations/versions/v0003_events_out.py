"""How far each receiver of events has been told, and which process tells it now."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make both tables; a receiver that is not in them has not been named yet."""
    seq = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "event_receivers",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("told", seq, nullable=False),
        sa.Column("teller", sa.String(64), nullable=False),
        sa.Column("teller_until", sa.Float, nullable=False),
    )
    op.create_table(
        "event_progress",
        sa.Column("receiver", sa.String(64), primary_key=True),
        sa.Column("model", sa.String(64), primary_key=True),
        sa.Column("told", seq, nullable=False),
    )
