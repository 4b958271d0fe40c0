import asyncio

import pytest

from inference.load import LoadedVersion, load_version, load_when_available
from inference.ports import ArtifactRefused, ArtifactUnavailable


class Source:
    """An ArtifactSource that fails a few times before it gives the directory."""

    def __init__(self, directory, digest, *failures):
        self.digest = digest
        self._directory = directory
        self._failures = list(failures)

    def fetch(self):
        if self._failures:
            raise self._failures.pop(0)
        return self._directory


def test_an_unavailable_artifact_is_waited_for_and_each_reason_told(artifact, digest):
    down = [ArtifactUnavailable("registry is down"), ArtifactUnavailable("still down")]
    reasons, pauses = [], []

    async def pause(seconds):
        pauses.append(seconds)

    source = Source(artifact, digest, *down)
    version = asyncio.run(load_when_available(source, reasons.append, pause))

    assert isinstance(version, LoadedVersion)
    assert reasons == ["registry is down", "still down"]
    assert pauses[1] > pauses[0]


def test_a_refused_artifact_is_not_tried_again(artifact, digest):
    source = Source(artifact, digest, ArtifactRefused("unknown digest"))

    with pytest.raises(ArtifactRefused, match="unknown digest"):
        asyncio.run(load_when_available(source, lambda _reason: None))


def test_an_artifact_of_another_digest_is_refused(artifact):
    with pytest.raises(ArtifactRefused, match="not the wanted sha256:00"):
        load_version(Source(artifact, "sha256:" + "0" * 64))


def test_a_process_that_waits_for_its_artifact_is_alive_and_says_why(start, fakes, private_file):
    running = start(
        artifact="isogloss://sentiment@sha256:" + "0" * 64,
        registry_url="http://127.0.0.1:1",
        token_file=private_file("token", fakes.TOKEN),
        cache_dir=private_file("token", fakes.TOKEN).parent / "cache",
    )
    while "cannot be fetched" not in (unready := running.get("/readyz")).json()["detail"]:
        assert unready.status_code == 503

    assert running.get("/livez").status_code == 200
    assert running.get("/v2/health/ready").status_code == 503
    assert running.get("/v2/models/sentiment").status_code == 503
    assert running.get("/v1/models/sentiment").json()["ready"] is False
    assert running.post("/predict", {"text": "a film"}).status_code == 503
    assert running.get("/livez").headers["x-model-version"] == "sha256:" + "0" * 64
