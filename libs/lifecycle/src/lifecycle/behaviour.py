"""Behavioural tests of a text model, written in the gate policy and so bound into Evidence.

Three kinds, after Ribeiro et al., Beyond Accuracy (ACL 2020): what any version must know (minimum
functionality), edits that must not change a label (invariance), edits whose effect on a score is
known (direction). How texts are edited and asked about is the gate job's.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeVar

from lifecycle.documents import DocumentRefused, Fields

Edit = Literal["append", "drop_case", "drop_punctuation", "prepend", "replace", "typo"]
EDITS: tuple[Edit, ...] = ("append", "drop_case", "drop_punctuation", "prepend", "replace", "typo")
_MOST_CASES = 5_000
"""A predictor is asked for each of them at every evaluation."""
_PLACE = re.compile(r"\{([a-z_]+)\}")
Read = TypeVar("Read")


@dataclass(frozen=True)
class Case:
    """A text whose label is beyond doubt."""

    test: str
    text: str
    label: str


@dataclass(frozen=True)
class Edited:
    """One change of a text: `append` and `prepend` add `text`, `replace` swaps whole words, the
    others need nothing.
    """

    kind: Edit
    text: str = ""
    words: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Invariance:
    """An edit after which the label must be the same."""

    name: str
    edit: Edited


@dataclass(frozen=True)
class Direction:
    """An edit after which the score of `label` must not move against `change` by more than
    `tolerance`.
    """

    name: str
    edit: Edited
    label: str
    change: Literal["up", "down"]
    tolerance: float


@dataclass(frozen=True)
class Behaviour:
    """All behavioural tests of a policy; edits are made to `rows` texts of the pinned test set."""

    rows: int
    cases: tuple[Case, ...] = ()
    invariance: tuple[Invariance, ...] = ()
    direction: tuple[Direction, ...] = ()


def read_behaviour(fields: Fields) -> Behaviour:
    """Read `policy.behaviour`; DocumentRefused names what is wrong with it."""
    words = {key: _words(fields, key, held) for key, held in fields.mapping("words", {}).items()}
    templates = _each(fields, "minimum_functionality", lambda item: _read_cases(item, words))
    behaviour = Behaviour(
        rows=fields.whole("rows", 1, 5_000, 200),
        cases=tuple(case for cases in templates for case in cases),
        invariance=_each(fields, "invariance", _read_invariance),
        direction=_each(fields, "direction", _read_direction),
    )
    fields.close()
    if len(behaviour.cases) > _MOST_CASES:
        raise DocumentRefused(
            f"{fields.path}.minimum_functionality makes {len(behaviour.cases):,} texts; at most "
            f"{_MOST_CASES:,} are asked, so use fewer words"
        )
    return behaviour


def _each(fields: Fields, key: str, read: Callable[[Fields], Read]) -> tuple[Read, ...]:
    items = enumerate(fields.items(key, ()))
    return tuple(read(Fields(item, f"{fields.path}.{key}[{index}]")) for index, item in items)


def _words(fields: Fields, key: str, held: object) -> tuple[str, ...]:
    read = Fields({key: held}, f"{fields.path}.words").texts(key)
    if not read:
        raise DocumentRefused(f"{fields.path}.words.{key} is empty; it needs a word")
    return read


def _read_cases(fields: Fields, words: Mapping[str, Sequence[str]]) -> tuple[Case, ...]:
    name, text, label = (fields.text(key) for key in ("name", "text", "label"))
    fields.close()
    places = list(dict.fromkeys(_PLACE.findall(text)))
    unknown = [place for place in places if place not in words]
    if unknown:
        raise DocumentRefused(
            f"{fields.path}.text has {{{unknown[0]}}}; policy.behaviour.words has "
            + (", ".join(words) or "none")
        )
    made = 1
    for place in places:
        made *= len(words[place])
    if made > _MOST_CASES:
        raise DocumentRefused(f"{fields.path}.text makes {made:,} texts; use fewer words")
    chosen = product(*(words[place] for place in places))
    filled = (dict(zip(places, each, strict=True)) for each in chosen)
    return tuple(Case(name, _fill(text, each), label) for each in filled)


def _fill(text: str, words: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda found: words[found[1]], text)


def _read_invariance(fields: Fields) -> Invariance:
    test = Invariance(fields.text("name"), _read_edit(fields))
    fields.close()
    return test


def _read_direction(fields: Fields) -> Direction:
    change = fields.choice("change", {"up", "down"})
    test = Direction(
        name=fields.text("name"),
        edit=_read_edit(fields),
        label=fields.text("label"),
        change="up" if change == "up" else "down",
        tolerance=fields.number("tolerance", 0, 1, 0.01),
    )
    fields.close()
    return test


def _read_edit(fields: Fields) -> Edited:
    kind = fields.choice("edit", EDITS)
    if kind in {"append", "prepend"}:
        return Edited(_edit(kind), text=fields.text("text"))
    if kind == "replace":
        return Edited(_edit(kind), words=fields.pairs("words"))
    return Edited(_edit(kind))


def _edit(kind: str) -> Edit:
    return next(edit for edit in EDITS if edit == kind)
