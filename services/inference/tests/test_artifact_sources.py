"""The behaviour of an ArtifactSource, held by both adapters, and what only a download does."""

import threading

import pytest

from inference.adapters.artifact_directory import ArtifactDirectory
from inference.adapters.registry_proxy import RegistryProxy
from inference.load import load_version
from inference.ports import ArtifactRefused, ArtifactUnavailable

FILES = ["manifest.json", "model.skops", "scorer.safetensors", "vocabulary.json"]


@pytest.fixture
def registry(fakes, artifact, digest):
    with fakes.FakeRegistry(artifact, digest).running() as running:
        yield running


@pytest.fixture
def source_of(registry, tmp_path, private_file, fakes, digest):
    token_file = private_file("token", fakes.TOKEN)

    def source_of(wanted=digest, token=token_file):
        return RegistryProxy(registry.url, token, wanted, tmp_path / "cache")

    return source_of


@pytest.fixture(params=["directory", "registry"])
def source(request, artifact, source_of):
    return ArtifactDirectory(artifact) if request.param == "directory" else source_of()


def test_a_source_gives_a_directory_that_loads_as_its_digest(source, digest):
    assert source.digest == digest
    assert load_version(source).manifest.digest == digest
    assert sorted(path.name for path in source.fetch().iterdir()) == FILES


def test_a_directory_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(ArtifactRefused, match=r"manifest\.json"):
        ArtifactDirectory(tmp_path)


def test_what_is_cached_is_not_fetched_again(registry, source_of):
    source_of().fetch()
    asked = len(registry.asked)
    source_of().fetch()

    assert asked == len(FILES)
    assert len(registry.asked) == asked


def test_an_interrupted_file_goes_on_where_it_stopped(registry, source_of):
    registry.cut_at = 40
    with pytest.raises(ArtifactUnavailable):
        source_of().fetch()

    load_version(source_of())

    assert [resumed for _, resumed in registry.asked if resumed] == ["bytes=40-"]


def test_after_an_interruption_nothing_stands_under_the_digest(registry, source_of, tmp_path):
    registry.cut_at = 40
    with pytest.raises(ArtifactUnavailable):
        source_of().fetch()

    names = [path.name for path in (tmp_path / "cache").iterdir()]
    assert all(name.startswith(".") for name in names)


def test_a_cached_file_that_was_changed_is_fetched_again(registry, source_of):
    directory = source_of().fetch()
    (directory / "vocabulary.json").write_bytes(b"{}")

    load_version(source_of())

    assert len(registry.asked) == 2 * len(FILES)


@pytest.mark.parametrize("name", FILES)
def test_altered_bytes_are_never_used(registry, source_of, tmp_path, name):
    registry.altered[name] = b"something else"

    with pytest.raises(ArtifactUnavailable, match="does not have"):
        source_of().fetch()
    assert not [p for p in (tmp_path / "cache").iterdir() if not p.name.startswith(".")]

    registry.altered.clear()
    load_version(source_of())


def test_a_kept_part_that_is_not_of_the_file_is_thrown_away(registry, source_of, tmp_path, digest):
    partial = tmp_path / "cache" / f".{digest[7:]}.partial"
    partial.mkdir(parents=True)
    (partial / "vocabulary.json").write_bytes(b"x" * 100_000)

    with pytest.raises(ArtifactUnavailable):
        source_of().fetch()

    load_version(source_of())
    assert registry.asked


def test_a_digest_the_registry_does_not_know_is_refused(source_of):
    with pytest.raises(ArtifactRefused, match="answers 404: register the version"):
        source_of(wanted="sha256:" + "0" * 64).fetch()


@pytest.mark.parametrize("said", [500, 503])
def test_a_registry_in_trouble_is_unavailable(registry, source_of, said):
    registry.says.append(said)

    with pytest.raises(ArtifactUnavailable, match=f"answers {said}"):
        source_of().fetch()


def test_a_wrong_token_is_unavailable_since_it_may_be_corrected(source_of, private_file):
    with pytest.raises(ArtifactUnavailable, match="answers 401"):
        source_of(token=private_file("other", "x")).fetch()


def test_two_processes_that_share_a_cache_download_once(registry, source_of):
    threads = [threading.Thread(target=source_of().fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(registry.asked) == len(FILES)


def test_a_cache_that_cannot_be_written_is_unavailable(registry, fakes, private_file, digest):
    token_file = private_file("token", fakes.TOKEN)
    source = RegistryProxy(registry.url, token_file, digest, token_file / "cache")

    with pytest.raises(ArtifactUnavailable, match="cannot be written"):
        source.fetch()
