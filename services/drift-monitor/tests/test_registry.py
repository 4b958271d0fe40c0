"""One behaviour for every source of References: the fake, HTTP, and HTTP kept on disk."""

import httpx
import pytest

from drift_monitor.adapters.registry import HttpReferences, KeptReferences
from drift_monitor.ports import ReferenceRefused, RegistryUnavailable

UNKNOWN = "sha256:" + "0" * 64


class Registry:
    """The registry-proxy's artifact routes, answered in memory."""

    def __init__(self, files):
        self.files = files
        self.status = 200
        self.paths = []

    def __call__(self, request):
        self.paths.append(request.url.path)
        assert request.headers["authorization"] == "Bearer secret"
        if self.status != 200:
            return httpx.Response(self.status, text="no")
        content = self.files.get(request.url.path)
        return httpx.Response(404) if content is None else httpx.Response(200, content=content)


@pytest.fixture
def registry(artifact):
    digest, manifest, content = artifact
    return Registry(
        {
            f"/v1/artifacts/{digest}/manifest": manifest,
            f"/v1/artifacts/{digest}/files/reference.safetensors": content,
        }
    )


@pytest.fixture
def over_http(registry):
    transport = httpx.MockTransport(registry)
    with httpx.Client(transport=transport, base_url="http://registry") as client:
        yield HttpReferences(client, lambda: "secret")


@pytest.fixture(params=["fake", "http", "kept"])
def source(request, artifact, fake_references, tmp_path):
    if request.param == "fake":
        fake_references.files[artifact[0]] = artifact[2]
        return fake_references
    over_http = request.getfixturevalue("over_http")
    return over_http if request.param == "http" else KeptReferences(over_http, tmp_path / "kept")


def test_the_reference_of_a_version_is_found_by_its_digest(source, artifact):
    assert source.fetch(artifact[0]) == artifact[2]
    assert source.fetch(artifact[0]) == artifact[2]


def test_a_version_that_is_not_there_has_no_reference(source):
    with pytest.raises(ReferenceRefused, match=UNKNOWN):
        source.fetch(UNKNOWN)


def test_bytes_that_the_digest_does_not_promise_are_refused(over_http, registry, artifact):
    digest, manifest, content = artifact
    path = f"/v1/artifacts/{digest}"
    registry.files[f"{path}/files/reference.safetensors"] = content[:-1] + b"!"
    with pytest.raises(ReferenceRefused, match="not the one its manifest names"):
        over_http.fetch(digest)
    registry.files[f"{path}/manifest"] = manifest + b" "
    with pytest.raises(ReferenceRefused, match="another digest"):
        over_http.fetch(digest)


@pytest.mark.parametrize("status", [401, 500, 503])
def test_a_registry_that_fails_is_asked_again_later(over_http, registry, artifact, status):
    registry.status = status
    with pytest.raises(RegistryUnavailable, match=str(status)):
        over_http.fetch(artifact[0])


def test_a_registry_that_cannot_be_reached_is_unavailable(artifact):
    client = httpx.Client(base_url="http://127.0.0.1:1")
    with client, pytest.raises(RegistryUnavailable):
        HttpReferences(client, lambda: "secret").fetch(artifact[0])


def test_a_kept_reference_needs_no_registry(over_http, registry, artifact, tmp_path):
    KeptReferences(over_http, tmp_path).fetch(artifact[0])
    registry.status = 500
    assert KeptReferences(over_http, tmp_path).fetch(artifact[0]) == artifact[2]


def test_without_a_place_to_keep_it_the_reference_is_still_used(over_http, artifact, tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    assert KeptReferences(over_http, blocked).fetch(artifact[0]) == artifact[2]
