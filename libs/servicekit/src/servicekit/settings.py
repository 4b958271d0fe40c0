"""Settings of one process: read once from the environment, frozen, refused in plain sentences.

A service subclasses `ServiceSettings` with its own `env_prefix` and calls `load_settings` in its
`__main__`. A variable that carries the prefix but names no field is refused, because a misspelt
setting that is silently ignored is found only in production. Nothing else reads the environment.
"""

import difflib
import json
import os
import re
import sys
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

# Kubernetes adds these for a Service whose name starts like the process's.
_KUBERNETES_LINK = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT|_PORT_\d+_(TCP|UDP)|_PORT$")


def _split_commas(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [part.strip() for part in value.split(",") if part.strip()]


# A setting that is written `a,b` (a JSON list is understood too).
CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]


class ServiceSettings(BaseSettings):
    """Settings of one process: `class XSettings(ServiceSettings, env_prefix="ISOGLOSS_X_")`."""

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
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    sys.exit(2)


def env_names(cls: type[ServiceSettings]) -> dict[str, str]:
    """Return the environment variable of each field."""
    prefix = str(cls.model_config.get("env_prefix", ""))
    return {field: f"{prefix}{field}".upper() for field in cls.model_fields}


def _unknown_variables(cls: type[ServiceSettings]) -> Iterator[str]:
    prefix = str(cls.model_config.get("env_prefix", "")).upper()
    known = list(env_names(cls).values())
    for variable in sorted(os.environ):
        if not variable.upper().startswith(prefix) or variable.upper() in known or not prefix:
            continue
        meant = variable.upper().removeprefix(prefix)
        close = difflib.get_close_matches(meant, [name.removeprefix(prefix) for name in known])
        named = " or ".join(prefix + name for name in close)
        advice = f"did you mean {named}?" if close else "unset it."
        if _KUBERNETES_LINK.search(variable):
            advice += " In Kubernetes, set enableServiceLinks: false."
        yield f"{variable} is not a setting of this process: {advice}"


def _sentence(cls: type[ServiceSettings], error: ErrorDetails) -> str:
    allowed = error["msg"].removeprefix("Value error, ").rstrip(".")
    if not error["loc"]:
        return f"The settings do not fit together: {allowed}."
    name = str(error["loc"][0])
    if error["type"] == "missing":
        return f"{env_names(cls)[name]} is not set: it is required{_purpose(cls, name)}."
    return _fault(cls, name, error["input"], allowed)


def _unreadable(cls: type[ServiceSettings], message: str) -> str:
    named = re.search(r'field "(\w+)"', message)
    if named is None:
        return f"The settings cannot be read: {message}."
    value = os.environ.get(env_names(cls)[named[1]])
    return _fault(cls, named[1], value, "a JSON list or object is expected")


def _fault(cls: type[ServiceSettings], name: str, value: Any, allowed: str) -> str:
    secret = "Secret" in str(cls.model_fields[name].annotation)  # also inside unions and lists
    shown = "(secret)" if secret else repr(value)
    return f"{env_names(cls)[name]} is {shown}: {allowed}{_purpose(cls, name)}."


def _purpose(cls: type[ServiceSettings], name: str) -> str:
    description = cls.model_fields[name].description
    return f" ({description.rstrip('.')})" if description else ""
