"""The storage initializer: what it leaves in the directory, and how it ends."""

import os
import signal
import subprocess
import sys

import pytest

from inference.adapters.artifact_directory import ArtifactDirectory
from inference.adapters.registry_proxy import RegistryProxy
from inference.fetch.deliver import Patience, deliver, deliver_when_available
from inference.load import load_version
from inference.ports import ArtifactUnavailable

DEADLINE_SECONDS = 60


@pytest.fixture
def registry(fakes, artifact, digest):
    with fakes.FakeRegistry(artifact, digest).running() as running:
        yield running


@pytest.fixture
def destination(tmp_path):
    directory = tmp_path / "models"
    directory.mkdir()
    return directory


@pytest.fixture
def staging(destination):
    return destination / ".fetching"


@pytest.fixture
def source(registry, staging, private_file, fakes, digest):
    return RegistryProxy(registry.url, private_file("token", fakes.TOKEN), digest, staging)


class Clock:
    """Time passes by pauses alone."""

    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def pause(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    def patience(self, seconds):
        return Patience(seconds, lambda: self.now, self.pause)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_the_directory_holds_the_artifact_and_nothing_else(source, staging, destination, artifact):
    deliver(source, staging, destination)

    assert names(destination) == names(artifact)
    assert load_version(ArtifactDirectory(destination)).digest == source.digest


def test_what_is_there_is_not_fetched_again(source, staging, destination, registry):
    deliver(source, staging, destination)
    asked = len(registry.asked)

    deliver(source, staging, destination)

    assert len(registry.asked) == asked


@pytest.mark.parametrize("moved", [0, 1, 3, 4])
def test_a_delivery_killed_while_it_moved_files_ends_well_when_begun_again(
    source, staging, destination, artifact, moved
):
    directory = source.fetch()
    files = sorted(directory.iterdir(), key=lambda file: file.name == "manifest.json")
    for file in files[:moved]:
        file.rename(destination / file.name)

    deliver(source, staging, destination)

    assert names(destination) == names(artifact)
    assert load_version(ArtifactDirectory(destination)).digest == source.digest


def test_an_altered_file_is_replaced(source, staging, destination):
    deliver(source, staging, destination)
    (destination / "vocabulary.json").write_bytes(b"{}")

    deliver(source, staging, destination)

    assert load_version(ArtifactDirectory(destination)).digest == source.digest


def test_an_interrupted_download_goes_on_where_it_stopped(source, staging, destination, registry):
    registry.cut_at = 40

    deliver_when_available(source, staging, destination, Clock().patience(60))

    assert [resumed for _, resumed in registry.asked if resumed] == ["bytes=40-"]
    assert load_version(ArtifactDirectory(destination)).digest == source.digest


def test_a_registry_in_trouble_is_asked_again_until_patience_ends(
    source, staging, destination, registry
):
    registry.says = [503] * 100
    clock = Clock()

    with pytest.raises(ArtifactUnavailable, match="answers 503"):
        deliver_when_available(source, staging, destination, clock.patience(40))

    assert clock.pauses == [0.5, 1, 2, 4, 8, 15, 9.5]
    assert "manifest.json" not in names(destination)


def test_a_destination_that_is_not_there_is_named(source, staging, destination):
    destination.rmdir()
    destination.write_text("a file")

    with pytest.raises(ArtifactUnavailable, match="models"):
        deliver(source, staging, destination)


@pytest.fixture
def fetch(registry, private_file, fakes, destination):
    """Run the real process; returns its exit code and what it said."""

    def fetch(address, **settings):
        given = {
            "registry_url": registry.url,
            "token_file": private_file("token", fakes.TOKEN),
            "patience_seconds": 0,
        } | settings
        names = {f"ISOGLOSS_FETCH_{name.upper()}": str(value) for name, value in given.items()}
        ended = subprocess.run(
            [sys.executable, "-m", "inference.fetch", address, destination],
            env=os.environ | names,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        return ended.returncode, ended.stderr

    return fetch


def test_the_process_ends_with_0_when_the_artifact_is_there(fetch, destination, digest):
    code, said = fetch(f"isogloss://sentiment@{digest}")

    assert code == 0, said
    assert f"{digest} is in {destination}" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("address", "settings", "code", "sentence"),
    [
        ("isogloss://sentiment@sha256:" + "0" * 64, {}, 1, "answers 404: register the version"),
        ("isogloss://sentiment@latest", {}, 2, "latest is not isogloss://MODEL@sha256:"),
        ("isogloss://sentiment@sha256:" + "0" * 64, {"patience": 1}, 2, "ISOGLOSS_FETCH_PATIENCE"),
        (
            "isogloss://sentiment@sha256:" + "0" * 64,
            {"registry_url": "http://127.0.0.1:1"},
            3,
            "Not within 0 s: http://127.0.0.1:1/v1/artifacts/",
        ),
    ],
)
def test_the_process_ends_with_a_sentence_and_its_code(fetch, address, settings, code, sentence):
    found, said = fetch(address, **settings)

    assert found == code
    assert sentence in said.splitlines()[-1]


def test_a_signal_ends_a_process_that_waits(private_file, fakes, destination, digest):
    settings = {
        "ISOGLOSS_FETCH_REGISTRY_URL": "http://127.0.0.1:1",
        "ISOGLOSS_FETCH_TOKEN_FILE": str(private_file("token", fakes.TOKEN)),
    }
    command = [sys.executable, "-m", "inference.fetch", f"isogloss://m@{digest}", destination]
    with subprocess.Popen(command, env=os.environ | settings, stderr=subprocess.PIPE) as process:
        while b"artifact unavailable" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)

        assert process.wait(DEADLINE_SECONDS) == 143
