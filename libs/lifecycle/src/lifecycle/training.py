"""What is proven of how a version was made: the image that the pod ran which handed it in.

The registry-proxy states it, on what the cluster says of the pod, never on a word of the job. The
envelope around the statement and its signature are `servicekit.signing`'s.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lifecycle.digests import NO_CONTENT, canonical_json, is_digest
from lifecycle.documents import DocumentRefused, Fields
from lifecycle.verdicts import Outcome, Reason

PAYLOAD_TYPE = "application/vnd.isogloss.training.v1+json"
TAG = "isogloss.training."
"""Begins the tag of a run that holds a statement; the version's 64 hex digits follow."""
PLAN_NAME = "train.yaml"
"""What a project's training plan, and a run's copy of it, is called."""
GATE = "training-image"
"""The name under which it stands in a Verdict; no Gate of a policy may have it."""


@dataclass(frozen=True)
class TrainingStatement:
    """Who handed in a version's manifest (`version` is its digest), from which pod, at what time
    (seconds since the epoch, UTC), and the digest of the image that the pod ran: `none` where that
    is not proven, and then `why` says why not.
    """

    run_id: str
    version: str
    image: str
    why: str
    pod: str
    caller: str
    at: float

    def to_bytes(self) -> bytes:
        """Return the payload that is signed."""
        return canonical_json(asdict(self))


def tag_of(version: str) -> str:
    """Return the tag that a version's statement stands in."""
    return TAG + version.removeprefix("sha256:")


def read_training_images(fields: Fields) -> tuple[str, ...]:
    """Read a policy's `training_images`; DocumentRefused names what is none."""
    images = fields.texts("training_images", ())
    for image in images:
        if not is_digest(image):
            raise DocumentRefused(
                f"policy.training_images names {image!r}; it takes digests, sha256:<64 hex digits>"
            )
    return images


def weigh_image(allowed: Collection[str], training: Mapping[str, Any]) -> Reason:
    """Return the reason that stands in the Verdict where a policy lists training images."""
    image = training.get("image", NO_CONTENT)
    if image == NO_CONTENT:
        why = training.get("why", "it was registered before that was looked at")
        text = f"the training image is not verified: {why}; train it as a Job of the cluster"
        return Reason(GATE, Outcome.INCONCLUSIVE, text)
    if image in allowed:
        return Reason(GATE, Outcome.PASS, f"trained in {image}, which the policy lists")
    listed = f"the policy lists {len(allowed)} others"
    return Reason(GATE, Outcome.FAIL, f"trained in {image}, but {listed}")
