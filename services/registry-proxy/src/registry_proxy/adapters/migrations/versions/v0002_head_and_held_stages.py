"""The chain's head, and who holds a Stage that only one version of a model may hold."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_HELD_BY_ONE = ("SHADOW", "PRODUCTION")


def upgrade() -> None:
    """Make both tables and fill them from the entries that are there."""
    seq = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    head = op.create_table(
        "chain_head",
        sa.Column("one", sa.Integer, sa.CheckConstraint("one = 1"), primary_key=True),
        sa.Column("seq", seq, nullable=False),
        sa.Column("hash", sa.String(71), nullable=False),
    )
    held = op.create_table(
        "held_stages",
        sa.Column("model", sa.String(64), primary_key=True),
        sa.Column("stage", sa.String(16), primary_key=True),
        sa.Column("digest", sa.String(71), nullable=False),
    )
    op.bulk_insert(head, [_last()])
    op.bulk_insert(held, _holders())
    if "schema_version" in sa.inspect(op.get_bind()).get_table_names():
        op.drop_table("schema_version")


def _last() -> dict[str, object]:
    query = "SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1"
    row = op.get_bind().execute(sa.text(query)).first()
    return {"one": 1, "seq": row.seq if row else 0, "hash": row.hash if row else ""}


def _holders() -> list[dict[str, object]]:
    query = "SELECT model, body FROM entries WHERE kind = 'transition' ORDER BY seq"
    holders: dict[tuple[str, str], str] = {}
    for model, text in op.get_bind().execute(sa.text(query)):
        body = json.loads(text)
        if holders.get((model, body["before"])) == body["digest"]:
            del holders[model, body["before"]]
        if body["after"] in _HELD_BY_ONE:
            holders[model, body["after"]] = body["digest"]
    return [
        {"model": model, "stage": stage, "digest": digest}
        for (model, stage), digest in holders.items()
    ]
