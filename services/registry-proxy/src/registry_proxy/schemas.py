"""What both sub-packages' wire models share: names, digests, JSON that can be hashed."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lifecycle.digests import canonical_json

ModelName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"
Digest = Annotated[str, Field(pattern=DIGEST_PATTERN)]
Reason = Annotated[str, Field(min_length=1, max_length=2000)]


class Body(BaseModel):
    """A request's body: an unknown member is refused, for it may be a misspelt one."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _hashable(value: dict[str, Any]) -> dict[str, Any]:
    try:
        canonical_json(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"cannot be written as canonical JSON: {error}") from error
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_hashable)]
"""Any JSON object without NaN, infinities or broken text."""
