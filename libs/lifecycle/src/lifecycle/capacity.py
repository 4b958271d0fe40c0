"""What a ServedModel says of its predictors' size: resources of each, and how many there are.

They have a meaning only where a cluster gives and scales; one machine has what it has.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from lifecycle.documents import DocumentRefused, Fields

_QUANTITY = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_UNITS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGT", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGT", start=1)},
}
_EXAMPLES = {"cpu": "500m", "memory": "512Mi"}


@dataclass(frozen=True)
class Resources:
    """What a predictor's container can count on (`requests`) and may use at most (`limits`):
    cpu and memory to an amount as Kubernetes writes it. What is not named is the cluster's choice.
    """

    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scale:
    """How many predictors a colour has: `least` to `most`, by their CPU use in percent of what
    they request, as `autoscaler` decides; with `none` it is `least`.
    """

    least: int
    most: int
    autoscaler: Literal["none", "hpa", "keda"] = "none"
    cpu_percent: int | None = None


def read_resources(section: Fields) -> Resources:
    """Read `resources`; DocumentRefused names what is wrong with it."""
    requests, limits = (_amounts(section, kind) for kind in ("requests", "limits"))
    section.close()
    for name in requests.keys() & limits.keys():
        if _value(requests[name]) > _value(limits[name]):
            raise DocumentRefused(
                f"{section.path}.requests.{name} is {requests[name]!r}; it must be at most the "
                f"limit, which is {limits[name]!r}"
            )
    return Resources(requests, limits)


def read_scale(spec: Fields, replicas: int) -> Scale:
    """Read `autoscaling` of a spec; without one there are `replicas`, always."""
    if not spec.has("autoscaling"):
        return Scale(replicas, replicas)
    section = spec.section("autoscaling")
    autoscaler = section.choice("class", {"hpa", "keda"})
    least = section.whole("minReplicas", 1, 1000, 1)
    scale = Scale(
        least=least,
        most=section.whole("maxReplicas", least, 1000),
        autoscaler="hpa" if autoscaler == "hpa" else "keda",
        cpu_percent=section.whole("targetCPUPercent", 1, 100, 80),
    )
    section.close()
    return scale


def _amounts(section: Fields, kind: str) -> dict[str, str]:
    fields = section.section(kind, required=False)
    amounts = {name: _amount(fields, name) for name in _EXAMPLES if fields.has(name)}
    fields.close()
    return amounts


def _amount(fields: Fields, name: str) -> str:
    text = fields.text(name)
    if not _value(text):
        raise DocumentRefused(
            f"{fields.path}.{name} is {text!r}; it must be an amount above zero as Kubernetes "
            f"writes it, such as {_EXAMPLES[name]}"
        )
    return text


def _value(quantity: str) -> Decimal:
    """Return an amount in cores or bytes, zero where it is none."""
    found = _QUANTITY.fullmatch(quantity)
    return Decimal(found["number"]) * _UNITS[found["unit"] or ""] if found else Decimal(0)
