"""ServedModel: how one model is served (a custom resource in a cluster, a file on a laptop).

Neither which version serves (the ledger's) nor the limits of Gates (the policy's) are here.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from lifecycle.capacity import Resources, Scale, read_resources, read_scale
from lifecycle.documents import DocumentRefused, Fields

LONGEST_NAME = 42
"""A label of the predictors' pods is `isvc.NAME-green-predictor`, of at most 63 characters."""

_HEADER = re.compile(r"[a-z]([a-z0-9-]{0,62}[a-z0-9])?")
_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")


_ALL_AT_ONCE = (100,)


class Strategy(StrEnum):
    """How a Candidate comes to its users once its shadow's Gates PASS: in steps, all at once, or
    not at all.
    """

    CANARY = "canary"
    BLUE_GREEN = "blueGreen"
    SHADOW = "shadow"


class AlertMode(StrEnum):
    """What an alert that asks for a Rollback does: nothing, say what it would do, or go back."""

    IGNORE = "ignore"
    DRY_RUN = "dryRun"
    ROLL_BACK = "rollBack"


@dataclass(frozen=True)
class AlertRollback:
    """Whether alerts may roll back; within `cooldown_seconds` of a Rollback none does."""

    mode: AlertMode
    cooldown_seconds: float


@dataclass(frozen=True)
class ServiceObjective:
    """What users were promised: answers within `latency_milliseconds`, at most
    `error_ratio` of them failing.
    """

    latency_milliseconds: float
    error_ratio: float


@dataclass(frozen=True)
class ServedModel:
    """One model's serving settings. Weights are the steps' percentages, rising, and 100 alone where
    all users come at once; `queue_limit` is how many requests may wait in a predictor before it
    answers 503. `sticky_header` names the request header that tells users apart, who then keep to
    one version while traffic is split; None: nobody does.
    """

    name: str
    hostnames: tuple[str, ...]
    scale: Scale
    resources: Resources
    mirror_percent: int
    strategy: Strategy
    canary_weights: tuple[int, ...]
    sticky_header: str | None
    bake_seconds: float
    queue_limit: int
    objective: ServiceObjective
    alert_rollback: AlertRollback
    slices: tuple[str, ...]


def read_served_model(document: object) -> ServedModel:
    """Read a parsed ServedModel; DocumentRefused names what is wrong with it."""
    fields = Fields(document, "served-model")
    fields.choice("apiVersion", {"isogloss.dev/v1alpha1"})
    fields.choice("kind", {"ServedModel"})
    metadata = fields.section("metadata")
    name = _read_name(metadata)
    metadata.close()
    model = _read_spec(name, fields.section("spec"))
    fields.close()
    return model


def _read_name(metadata: Fields) -> str:
    name = metadata.text("name")
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise DocumentRefused(
            f"{metadata.path}.name is {name!r}; it must be a lower-case letter, then letters, "
            f"digits and -, at most {LONGEST_NAME} characters, as the names of the model's "
            "predictors are made from it"
        )
    return name


def _read_spec(name: str, spec: Fields) -> ServedModel:
    predictor = spec.section("predictor", required=False)
    objective = spec.section("objective", required=False)
    alerts = spec.section("alertRollback", required=False)
    strategy, weights = Strategy(spec.choice("strategy", set(Strategy), "canary")), _rising(spec)
    model = ServedModel(
        name=name,
        hostnames=spec.texts("hostnames", ("*",)),
        scale=read_scale(spec, spec.whole("replicas", 1, 1000, 1)),
        resources=read_resources(spec.section("resources", required=False)),
        mirror_percent=spec.whole("mirrorPercent", 1, 100, 100),
        strategy=strategy,
        sticky_header=_read_sticky(spec),
        canary_weights=_ALL_AT_ONCE if strategy is Strategy.BLUE_GREEN else weights,
        bake_seconds=spec.number("bakeSeconds", 0, 30 * 86400, 3600),
        queue_limit=predictor.whole("queueLimit", 1, 100_000, 128),
        objective=ServiceObjective(
            objective.number("latencyMilliseconds", 1, 600_000, 150),
            objective.number("errorRatio", 0, 1, 0.01),
        ),
        alert_rollback=_read_alerts(alerts),
        slices=spec.texts("slices", ()),
    )
    for fields in (predictor, objective, alerts, spec):
        fields.close()
    return model


def _read_sticky(spec: Fields) -> str | None:
    if not spec.has("sticky"):
        return None
    sticky = spec.section("sticky")
    header = sticky.text("header")
    sticky.close()
    if not _HEADER.fullmatch(header):
        raise DocumentRefused(
            f"{sticky.path}.header is {header!r}; it must be a header's name in lower case, "
            "such as x-user-id"
        )
    return header


def _read_alerts(alerts: Fields) -> AlertRollback:
    mode = AlertMode(alerts.choice("mode", set(AlertMode), "ignore"))
    return AlertRollback(mode, alerts.number("cooldownSeconds", 0, 86_400, 600))


def _rising(spec: Fields) -> tuple[int, ...]:
    weights = tuple(spec.items("canaryWeights", (10, 50)))
    whole = all(isinstance(w, int) and not isinstance(w, bool) and 0 < w < 100 for w in weights)
    if not weights or not whole or list(weights) != sorted(set(weights)):
        raise DocumentRefused(
            f"{spec.path}.canaryWeights is {list(weights)!r}; it must be rising whole "
            "percentages between 1 and 99, such as [10, 50]"
        )
    return weights
