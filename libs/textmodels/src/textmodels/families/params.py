"""Training parameters as users write them: known names, the right types, defaults for the rest."""

from collections.abc import Mapping
from typing import Any


def complete_params(
    family: str, defaults: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return every parameter of the family; ValueError naming the one that is wrong.

    A value must have its default's type; a whole number may stand for a decimal one, and a
    tuple for a list.
    """
    completed = dict(defaults)
    for name, value in given.items():
        if name not in defaults:
            raise ValueError(
                f"{family} has no parameter {name!r}; it has {', '.join(sorted(defaults))}"
            )
        completed[name] = _as_type_of(defaults[name], value)
        if type(completed[name]) is not type(defaults[name]):
            raise ValueError(
                f"{family}: {name} is {value!r}, but must be a "
                f"{type(defaults[name]).__name__} like {defaults[name]!r}"
            )
    return completed


def _as_type_of(default: object, value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    if type(default) is float and type(value) is int:
        return float(value)
    return value
