"""What a `dataset.yaml` may say: name, version, schema, checks, sources, sets and pins.

A field that is wrong, missing or unknown is refused by its path. Whether the rows keep to it
is `quality`'s to say.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from lifecycle.datasets import SPEC_NAME
from lifecycle.digests import is_digest, sha256_digest
from lifecycle.documents import DocumentRefused, Fields
from training_jobs.dataset.sources import Source, read_source

_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_SCHEMA = {"text": "string", "label": "enum"}
_TAKEN = frozenset({"train", "test", "all", "short", "medium", "long"})


@dataclass(frozen=True)
class QualityLimits:
    """What the rows must keep to; `_pct` are per cent of the rows read."""

    min_rows: int
    max_null_text_pct: float
    max_duplicate_pct: float
    max_conflicting_labels: int
    min_label_pct: float
    max_text_characters: int


@dataclass(frozen=True)
class SplitRule:
    """How the main set is cut, after identical texts were dropped (the first one kept).

    `digest` pins the test set (None: not pinned yet); training rows at least `near_duplicates`
    (Jaccard of word 5-shingles) like a test row are left out.
    """

    test_share: float
    random_state: int
    stratified: bool
    near_duplicates: float
    digest: str | None


@dataclass(frozen=True)
class RowSet:
    """Rows of some sources, kept where every column in `keep` has the value given there.

    `digest` pins them (None: not pinned). A set that is not labelled is there for drift only.
    """

    name: str
    sources: tuple[str, ...]
    keep: Mapping[str, str]
    labelled: bool = True
    digest: str | None = None


@dataclass(frozen=True)
class SliceRule:
    """The Slices reported: by length in words, and by the column that names a row's domain."""

    short_max_words: int
    long_min_words: int


@dataclass(frozen=True)
class DatasetSpec:
    """One version of a data set. `labels` maps what the data says to a label's name;
    `main` is split into training part and test set; `others` are prepared whole.
    """

    name: str
    version: str
    description: str
    task: str
    language: str
    license: str
    labels: Mapping[str, str]
    quality: QualityLimits
    split: SplitRule
    slices: SliceRule
    sources: Mapping[str, Source]
    main: RowSet
    others: tuple[RowSet, ...]
    content: bytes

    @property
    def digest(self) -> str:
        """The digest of the file."""
        return sha256_digest(self.content)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels' names in the order of their indices."""
        return tuple(dict.fromkeys(self.labels.values()))


def load_spec(project: Path) -> DatasetSpec:
    """Load `dataset.yaml` of a project; DocumentRefused says what is wrong with it."""
    path = project / SPEC_NAME
    try:
        content = path.read_bytes()
        document = yaml.safe_load(content)
    except OSError as error:
        raise DocumentRefused(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DocumentRefused(f"{path} is not YAML: {error}") from error
    return read_spec(document, content)


def read_spec(document: object, content: bytes) -> DatasetSpec:
    """Read `dataset.yaml`, parsed and as it is."""
    fields = Fields(document, "dataset")
    fields.choice("kind", {"Dataset"})
    description = fields.text("description", "none")
    if fields.pairs("schema") != _SCHEMA:
        raise DocumentRefused(f"dataset.schema must be {_SCHEMA}; rows have a text and a label")
    sources = [read_source(item) for item in _entries(fields, "sources")]
    sets = {row_set.name: row_set for row_set in map(_read_set, _entries(fields, "sets"))}
    if "main" not in sets:
        raise DocumentRefused("dataset.sets has no set named main; it is the one that is split")
    spec = DatasetSpec(
        name=_matching(fields, "name", _NAME, "lower-case letters, digits, - and _"),
        version=_matching(fields, "version", _SEMVER, "a semantic version such as 1.0.0"),
        description=description,
        task=fields.choice("task", {"text-classification"}),
        language=fields.text("language"),
        license=fields.text("license"),
        labels=fields.pairs("labels"),
        quality=_read_quality(fields.section("quality")),
        split=_read_split(fields.section("split")),
        slices=_read_slices(fields.section("slices")),
        sources={source.name: source for source in sources},
        main=sets.pop("main"),
        others=tuple(sets.values()),
        content=content,
    )
    fields.close()
    _refuse_gaps(spec)
    return spec


def _entries(fields: Fields, key: str) -> list[Fields]:
    items = enumerate(fields.items(key))
    return [Fields(item, f"{fields.path}.{key}[{index}]") for index, item in items]


def _read_set(fields: Fields) -> RowSet:
    row_set = RowSet(
        name=_matching(fields, "name", _NAME, "lower-case letters, digits, - and _"),
        sources=fields.texts("sources"),
        keep=fields.pairs("keep", {}),
        labelled=fields.flag("labelled", default=True),
        digest=_read_pin(fields),
    )
    fields.close()
    if row_set.name in _TAKEN:
        raise DocumentRefused(f"{fields.path}.name is {row_set.name!r}, which has a meaning here")
    return row_set


def _read_quality(fields: Fields) -> QualityLimits:
    limits = QualityLimits(
        min_rows=fields.whole("min_rows", 1, 10**9),
        max_null_text_pct=fields.number("max_null_text_pct", 0, 100),
        max_duplicate_pct=fields.number("max_duplicate_pct", 0, 100),
        max_conflicting_labels=fields.whole("max_conflicting_labels", 0, 10**9),
        min_label_pct=fields.number("min_label_pct", 0, 100),
        max_text_characters=fields.whole("max_text_characters", 1, 10**7),
    )
    fields.close()
    return limits


def _read_split(fields: Fields) -> SplitRule:
    split = SplitRule(
        test_share=fields.number("test_share", 0.01, 0.9),
        random_state=fields.whole("random_state", 0, 2**32 - 1),
        stratified=fields.flag("stratified", default=False),
        near_duplicates=fields.number("near_duplicates", 0.5, 1),
        digest=_read_pin(fields),
    )
    fields.close()
    return split


def _read_slices(fields: Fields) -> SliceRule:
    fields.choice("domain", {"source"})
    rule = SliceRule(
        short_max_words=fields.whole("short_max_words", 1, 10**6),
        long_min_words=fields.whole("long_min_words", 2, 10**6),
    )
    fields.close()
    return rule


def _read_pin(fields: Fields) -> str | None:
    if not fields.has("digest"):
        return None
    digest = fields.text("digest")
    if not is_digest(digest):
        raise DocumentRefused(f"{fields.path}.digest is {digest!r}; it must be sha256:<64 hex>")
    return digest


def _matching(fields: Fields, key: str, pattern: re.Pattern[str], allowed: str) -> str:
    value = fields.text(key)
    if not pattern.fullmatch(value):
        raise DocumentRefused(f"{fields.path}.{key} is {value!r}; it must be {allowed}")
    return value


def _refuse_gaps(spec: DatasetSpec) -> None:
    if len(spec.label_names) < 2:
        raise DocumentRefused("dataset.labels names fewer than two labels")
    for row_set in (spec.main, *spec.others):
        unknown = set(row_set.sources) - set(spec.sources)
        if unknown or not row_set.sources:
            raise DocumentRefused(
                f"dataset.sets {row_set.name} has sources {list(row_set.sources)}; "
                f"known: {', '.join(spec.sources)}"
            )
    if not spec.main.labelled or spec.main.digest:
        raise DocumentRefused(
            "dataset.sets main must be labelled, and its test set is pinned in dataset.split"
        )
