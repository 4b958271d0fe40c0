"""Stating which image made a version, at the moment when its manifest is handed in.

A manifest names every file of a version by its hash, and a version's digest is the manifest's own.
So whoever hands in those bytes, with a token that is bound to a pod, ties the pod's image to the
version, whatever is written into the run before or after. The statement is signed here and stands
in a tag of the run that only this service writes.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lifecycle.digests import NO_CONTENT, sha256_digest
from lifecycle.training import PAYLOAD_TYPE, TrainingStatement, tag_of
from registry_proxy.door.allowed import Matched
from registry_proxy.door.pods import NotShown, image_that_ran
from registry_proxy.door.ports import Forwarded, Mlflow, Pods
from servicekit.callers import BoundPod, Caller

_MANIFEST = re.compile(r"[^/]+/(?P<run>[0-9a-f]{32})/artifacts/(.+/)?manifest\.json")
_MOST_BYTES = 1_048_576
"""As many as a manifest may have that is registered."""
Sign = Callable[[str, bytes], Mapping[str, Any]]


@dataclass(frozen=True)
class Witness:
    """Who knows the pods, signs the statements and says what time it is."""

    pods: Pods
    sign: Sign
    clock: Callable[[], float]

    async def look(
        self, caller: Caller, matched: Matched, request: Forwarded
    ) -> tuple[Forwarded, TrainingStatement | None]:
        """Return the request with its manifest read, and what is to be stated once it is kept.

        None, and the request as it was, where there is nothing to state. Raises PodsUnavailable.
        """
        run = _run_of(matched)
        length = int(request.headers.get("content-length", _MOST_BYTES + 1))
        if caller.pod is None or run is None or length > _MOST_BYTES:
            return request, None
        content = await _read(request.body)
        image, why = await self._image(caller.pod)
        statement = TrainingStatement(
            run_id=run,
            version=sha256_digest(content),
            image=image,
            why=why,
            pod=caller.pod.name,
            caller=caller.name,
            at=self.clock(),
        )
        return replace(request, body=content), statement

    async def testify(self, statement: TrainingStatement, mlflow: Mlflow) -> None:
        """Write the signed statement into its run; raises MlflowUnavailable."""
        envelope = self.sign(PAYLOAD_TYPE, statement.to_bytes())
        tag = {"key": tag_of(statement.version), "value": json.dumps(envelope)}
        await mlflow.ask("POST", "runs/set-tag", {"run_id": statement.run_id, **tag})

    async def _image(self, bound: BoundPod) -> tuple[str, str]:
        """Return the image's digest, or none and why it is not proven."""
        try:
            pod = await self.pods.find(bound.name)
            return image_that_ran(pod, bound.uid), ""
        except NotShown as reason:
            return NO_CONTENT, str(reason)


def _run_of(matched: Matched) -> str | None:
    """Return the run whose manifest is uploaded by this call, if it is such a call."""
    if not matched.streams:
        return None
    found = _MANIFEST.fullmatch(matched.named["path"])
    return found["run"] if found else None


async def _read(body: bytes | AsyncIterator[bytes] | None) -> bytes:
    if body is None or isinstance(body, bytes):
        return body or b""
    return b"".join([chunk async for chunk in body])
