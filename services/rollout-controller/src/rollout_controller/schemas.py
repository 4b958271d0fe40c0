"""Bodies of the requests."""

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

ModelName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
ProbeTag = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
ProbeNumber = Annotated[int, Query(ge=0, lt=1000)]
Reference = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64}|[1-9][0-9]{0,8})$")]
ReasonText = Annotated[str, Field(min_length=1, max_length=1000)]


def _refuse_number(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("a time is written as RFC 3339 says")  # noqa: TRY004 - pydantic's refusal
    return value


class Body(BaseModel):
    """A request's body: an unknown member is refused, for it may be a misspelt one."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StartBody(Body):
    """POST rollouts; `version` is a number or a digest. `supersede`: another version's Rollout is
    given up for it.
    """

    version: Reference
    supersede: StrictBool = False


class AlertItem(BaseModel):
    """One alert; what else Alertmanager says of it is not needed."""

    model_config = ConfigDict(frozen=True)

    status: Literal["firing", "resolved"]
    labels: dict[str, str] = Field(max_length=100)
    annotations: dict[str, str] = Field({}, max_length=100)
    starts_at: Annotated[AwareDatetime, BeforeValidator(_refuse_number)] = Field(alias="startsAt")


class AlertsBody(BaseModel):
    """POST alerts, as Alertmanager's webhook says it; members that come later are no fault."""

    model_config = ConfigDict(frozen=True)

    version: Literal["4"]
    alerts: list[AlertItem] = Field(max_length=1000)


class ReasonBody(Body):
    """POST pause, resume, abort."""

    reason: ReasonText


class RollbackBody(Body):
    """POST rollback; `to` None is the Baseline."""

    reason: ReasonText
    to: Reference | None = None
