"""The ledger's tables as this release uses them; how they came to be is in `migrations`."""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

TABLES = MetaData()
SEQ = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts to 2**63 by itself; only there an INTEGER key is the row's own number."""

ENTRIES = Table(
    "entries",
    TABLES,
    Column("seq", SEQ, primary_key=True, autoincrement=False),
    Column("time", Float, nullable=False),
    Column("model", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("actor", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", String(71), nullable=False),
    Column("hash", String(71), nullable=False, unique=True),
)
DOCUMENTS = Table(
    "documents",
    TABLES,
    Column("digest", String(71), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
HEAD = Table(
    "chain_head",
    TABLES,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("seq", SEQ, nullable=False),
    Column("hash", String(71), nullable=False),
)
"""One row, the last entry: without it, nobody could tell that the newest entries are missing."""
HELD_STAGES = Table(
    "held_stages",
    TABLES,
    Column("model", String(64), primary_key=True),
    Column("stage", String(16), primary_key=True),
    Column("digest", String(71), nullable=False),
)
"""Who stands in a Stage that one version of a model may hold; the key lets no second one in."""
RECEIVERS = Table(
    "event_receivers",
    TABLES,
    Column("name", String(64), primary_key=True),
    Column("told", SEQ, nullable=False),
    Column("teller", String(64), nullable=False),
    Column("teller_until", Float, nullable=False),
)
"""Who is told of entries: of all up to `told`, and until when which process does the telling."""
PROGRESS = Table(
    "event_progress",
    TABLES,
    Column("receiver", String(64), primary_key=True),
    Column("model", String(64), primary_key=True),
    Column("told", SEQ, nullable=False),
)
"""Beyond that, the last entry that a receiver was told of each model."""
