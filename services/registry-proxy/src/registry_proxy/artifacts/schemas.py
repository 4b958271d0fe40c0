"""Bodies of the artifacts' requests."""

from pydantic import Field, StrictBool, StrictFloat

from registry_proxy.schemas import Body


class RegisterBody(Body):
    """POST versions: a run, and the folder of its artifact in it."""

    run_id: str = Field(pattern=r"^[0-9a-zA-Z_-]{1,64}$")
    artifact_path: str = Field(
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$", max_length=500
    )


class CollectBody(Body):
    """POST collections: how old an artifact must be that no version names, and whether to look
    only.
    """

    older_than_hours: StrictFloat = Field(24, ge=0, le=87_600)
    dry_run: StrictBool = False
