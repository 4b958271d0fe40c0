"""Settings of one process: read once from the environment, frozen, refused in plain sentences.

A service subclasses `ServiceSettings` with its own `env_prefix` and calls `load_settings` in its
`__main__`. A variable that carries the prefix but names no field is refused, because a misspelt
setting that is silently ignored is found only in production. Nothing else reads the environment.
"""

import difflib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

_CLOSE_ENOUGH = 0.6
_KUBERNETES_LINK = re.compile(r"_SERVICE_(HOST|PORT)|_PORT_\d+_(TCP|UDP)|^(tcp|udp)://")


class ServiceSettings(BaseSettings):
    """Settings of one process; a subclass sets `model_config = {"env_prefix": "ISOGLOSS_X_"}`."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True)


_Settings = TypeVar("_Settings", bound=ServiceSettings)


def load_settings(cls: type[_Settings]) -> _Settings:
    """Return the settings of this process, or print a sentence per fault and exit with status 2."""
    faults = list(_unknown_variables(cls))
    try:
        settings = cls()
    except ValidationError as refused:
        faults += [_sentence(cls, error) for error in refused.errors()]
    except SettingsError as refused:
        faults.append(_unreadable(cls, str(refused)))
    else:
        if not faults:
            return settings
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    sys.exit(2)


def env_names(cls: type[ServiceSettings]) -> dict[str, str]:
    """Return the environment variable of each field."""
    prefix = str(cls.model_config.get("env_prefix", ""))
    return {field: f"{prefix}{field}".upper() for field in cls.model_fields}


def _unknown_variables(cls: type[ServiceSettings]) -> Iterator[str]:
    prefix = str(cls.model_config.get("env_prefix", "")).upper()
    known = env_names(cls).values()
    for variable in sorted(os.environ):
        if prefix and variable.upper().startswith(prefix) and variable.upper() not in known:
            yield f"{variable} is not a setting of this process{_advice(variable, known)}."


def _advice(variable: str, known: Iterable[str]) -> str:
    if _KUBERNETES_LINK.search(variable) or _KUBERNETES_LINK.search(os.environ[variable]):
        return ": it looks like a Kubernetes service link, set enableServiceLinks: false"
    close = difflib.get_close_matches(variable.upper(), list(known), n=3, cutoff=_CLOSE_ENOUGH)
    return f": did you mean {' or '.join(close)}" if close else ": unset it"


def _sentence(cls: type[ServiceSettings], error: ErrorDetails) -> str:
    allowed = error["msg"].removeprefix("Value error, ").rstrip(".")
    if not error["loc"]:
        return f"The settings do not fit together: {allowed}."
    name = str(error["loc"][0])
    field = cls.model_fields[name]
    variable = env_names(cls)[name]
    if error["type"] == "missing":
        return f"{variable} is not set: it is required{_purpose(field)}."
    return f"{variable} is {_shown(field, error['input'])}: {allowed}{_purpose(field)}."


def _unreadable(cls: type[ServiceSettings], message: str) -> str:
    named = re.search(r'field "(\w+)"', message)
    if named is None:
        return f"The settings cannot be read: {message}."
    variable, field = env_names(cls)[named[1]], cls.model_fields[named[1]]
    shown = _shown(field, os.environ.get(variable))
    return f"{variable} is {shown}: a JSON list or object is expected{_purpose(field)}."


def _purpose(field: FieldInfo) -> str:
    return f" ({field.description.rstrip('.')})" if field.description else ""


def _shown(field: FieldInfo, value: Any) -> str:
    secret = "Secret" in str(field.annotation)  # also inside Optional and lists
    return "(secret)" if secret else repr(value)
