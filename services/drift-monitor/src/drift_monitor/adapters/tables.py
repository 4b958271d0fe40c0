"""The tables. All state of this service is here or in the journal's tail."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

METADATA = MetaData()

MARKS = Table(
    "marks",
    METADATA,
    Column("journal", String, primary_key=True),
    Column("applied", BigInteger, nullable=False),
)
LEASES = Table(
    "leases",
    METADATA,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("until", Float, nullable=False),
)
BATCHES = Table(
    "batches",
    METADATA,
    Column("batch_id", String, primary_key=True),
    Column("received_at", Float, nullable=False, index=True),
)
VERSIONS = Table(
    "versions",
    METADATA,
    Column("row", Integer, primary_key=True),
    Column("model", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("labels", String, nullable=False),  # JSON list
    Column("cosine", Float),  # of the last tested Window on slice all
    Column("cosine_false_alarms", Float),
    Index("versions_by_digest", "model", "digest", unique=True),
)
# Earlier releases kept less of both; what was paired then begins anew in these.
PAIRINGS = Table(
    "pairings_2",
    METADATA,
    Column("model", String, primary_key=True),
    Column("rollout", String, primary_key=True),
    Column("baseline", String, nullable=False),
    Column("candidate", String, nullable=False),
    Column("since", Float, nullable=False),
    Column("until", Float),
    Column("mirror_percent", Integer, nullable=False),
    Column("full_at", Float),
)
ANSWERS = Table(
    "answers_2",
    METADATA,
    Column("version", Integer, ForeignKey("versions.row"), primary_key=True),
    # Before the id of its row, which it gives: SQLite looks a request up by nothing but this key.
    Column("request", String, primary_key=True),
    Column("request_id", String, primary_key=True),
    Column("first", Boolean, nullable=False),
    Column("outcome", String, nullable=False),
    Column("label", String, nullable=False),
    Column("time", Float, nullable=False),
    Column("received_at", Float, nullable=False, index=True),
    Column("fingerprint", String, nullable=False),
    Column("latency_bucket", Integer, nullable=False),
    Column("slices", String, nullable=False),  # JSON list
    sqlite_with_rowid=False,
)
HELD = Table(
    "held_answers",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("version", Integer, ForeignKey("versions.row"), nullable=False, index=True),
    Column("received_at", Float, nullable=False, index=True),
    Column("n", Integer, nullable=False),
    Column("packed", LargeBinary, nullable=False),  # answers.AnswerColumns
)
NOISE = Table(
    "noise",
    METADATA,
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("n", Integer, nullable=False),
    Column("differing", Integer, nullable=False),
    Column("measured_at", Float, nullable=False),
)
LABELS = Table(
    "labels",
    METADATA,
    Column("request_id", String, primary_key=True),
    Column("label", String, nullable=False),
    Column("received_at", Float, nullable=False, index=True),
    sqlite_with_rowid=False,
)
WINDOWS = Table(
    "windows",
    METADATA,
    Column("version", String, primary_key=True),
    Column("slice", String, primary_key=True),
    Column("start", Float, primary_key=True),
    Column("end", Float, nullable=False),
    Column("n", Integer, nullable=False),
    Column("sums", LargeBinary, nullable=False),  # float64
    Column("seen", Integer, nullable=False),
    Column("closed", Boolean, nullable=False, index=True),
)
MONITORS = Table(
    "monitors",
    METADATA,
    Column("version", String, primary_key=True),
    Column("slice", String, primary_key=True),
    Column("detector", String, primary_key=True),
    Column("state", String, nullable=False),  # JSON of monitors.Monitor
)
FINDINGS = Table(
    "findings",
    METADATA,
    Column("id", String, primary_key=True),
    Column("model", String, nullable=False, index=True),
    Column("digest", String, nullable=False),
    Column("slice", String, nullable=False),
    Column("detector", String, nullable=False),
    Column("direction", String, nullable=False),
    Column("size", String, nullable=False),
    Column("since", Float, nullable=False),
    Column("found_at", Float, nullable=False),
    Column("confirmed_at", Float, nullable=False),
    Column("severity", String, nullable=False),
    Column("verdict", String, nullable=False),
    Column("because", String, nullable=False),
    Column("text", String, nullable=False),
)
NULLS = Table(
    "quiet",
    METADATA,
    Column("version", String, primary_key=True),
    Column("part", String, primary_key=True),  # of its Reference
    Column("content", LargeBinary, nullable=False),  # quiet.Quiet
)
BUCKETS = Table(
    "buckets",
    METADATA,
    Column("version", String, primary_key=True),
    Column("slice", String, primary_key=True),
    Column("start", Float, primary_key=True),
    Column("n", Integer, nullable=False),
    Column("sums", LargeBinary, nullable=False),  # float64
    sqlite_with_rowid=False,
)
READINGS = Table(
    "readings",
    METADATA,
    Column("version", String, primary_key=True),
    Column("slice", String, primary_key=True),
    Column("detector", String, primary_key=True),
    Column("end", Float, primary_key=True),
    Column("n", Integer, nullable=False),
    Column("statistic", Float, nullable=False),
    Column("p_value", Float, nullable=False),
    Column("cusum", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    sqlite_with_rowid=False,
)
DRAWN = Table(
    "drawn",
    METADATA,
    Column("version", String, primary_key=True),
    Column("cohort", Float, primary_key=True),
    Column("request_id", String, primary_key=True),
    Column("stratum", Integer, nullable=False),
    Column("priority", BigInteger, nullable=False),  # the lowest of each stratum are kept
    Column("label", String, nullable=False),
    Column("worth", Float, nullable=False),
    Column("time", Float, nullable=False),
    Column("slices", String, nullable=False),  # JSON list
    Column("probability", Float),  # None until the cohort is over and its list is made
    Index("drawn_by_priority", "version", "cohort", "stratum", "priority"),
)
TRAFFIC_DAYS = Table(
    "traffic_days",
    METADATA,
    Column("version", String, primary_key=True),
    Column("day", Float, primary_key=True),
    Column("seen", BigInteger, nullable=False),
    Column("highest", BigInteger),  # priority that is still kept, None while there is room
)
TRAFFIC_ROWS = Table(
    "traffic_rows",
    METADATA,
    Column("version", String, primary_key=True),
    Column("day", Float, primary_key=True),
    Column("priority", BigInteger, primary_key=True),
    Column("block", BigInteger, nullable=False),
    Column("language", String, nullable=False),
    Column("packed", LargeBinary, nullable=False),  # traffic_samples
    sqlite_with_rowid=False,
)
ACCEPTED = Table(
    "accepted_traffic",
    METADATA,
    Column("version", String, primary_key=True),
    Column("sha256", String, nullable=False),
    Column("accepted_at", Float, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
REPORTS = Table(
    "reports",
    METADATA,
    Column("model", String, primary_key=True),
    Column("until", Float, primary_key=True),
    Column("summary", String, nullable=False),
    Column("facts", String, nullable=False),  # JSON
    Column("page", String, nullable=False),  # HTML
)
