"""Which image made a version: what this service itself stated when the manifest was handed in.

The statement lies in a tag of the run. It counts only with this service's own signature and for
exactly this run and these bytes; else the image is not verified, and the version shows why.
"""

import json
from collections.abc import Mapping
from typing import Any

from lifecycle.digests import NO_CONTENT
from lifecycle.training import PAYLOAD_TYPE, tag_of
from registry_proxy.artifacts.manifests import Manifest
from registry_proxy.artifacts.ports import Run
from servicekit.signing import SignatureRefused, Verifier

_UNSEEN = "it was not handed in by a pod that the registry-proxy saw"


def training_of(manifest: Manifest, run: Run, own: Verifier) -> Mapping[str, Any]:
    """Return what stands in the version's metadata: `image`, and `why` where that is none."""
    tag = run.tags.get(tag_of(manifest.digest))
    if tag is None:
        return {"image": NO_CONTENT, "why": _UNSEEN}
    try:
        envelope = json.loads(tag)
        payload_type, payload, _ = own.open(envelope)
        stated = json.loads(payload)
    except (ValueError, RecursionError, SignatureRefused) as error:
        return {"image": NO_CONTENT, "why": f"the statement in its run does not count: {error}"}
    about = (payload_type, stated.get("run_id"), stated.get("version"))
    if about != (PAYLOAD_TYPE, run.id, manifest.digest):
        return {"image": NO_CONTENT, "why": "the statement in its run is of something else"}
    said = {key: stated[key] for key in ("image", "why", "pod", "caller", "at")}
    return {**said, "statement": envelope}


def lineage_of(manifest: Manifest, training: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the version's lineage: the image is the proven one, else what the job says it is."""
    image = training["image"]
    return manifest.lineage if image == NO_CONTENT else {**manifest.lineage, "image": image}
