"""What every implementation of `ArtifactStore`, `Shelf` and `Marks` does: files and a bucket."""

import time
from contextlib import ExitStack, suppress

import obstore
import pytest

from registry_proxy.adapters.artifact_bucket import ArtifactBucket, Bucket, _connect
from registry_proxy.adapters.artifact_files import ArtifactFiles
from registry_proxy.artifacts.ports import (
    ArtifactDamaged,
    Mark,
    MarkKind,
    StoreUnavailable,
)

LARGE = bytes(range(256)) * 25_000
"""More than a client of buckets uploads in one piece."""


class Place:
    """A store, and a way to harm what it keeps behind its back."""

    def __init__(self, open_store, harm):
        self.open_store, self.harm = open_store, harm
        self.store = open_store()


@pytest.fixture(params=["files", "bucket"])
def place(request, tmp_path):
    if request.param == "files":
        return Place(lambda: ArtifactFiles(tmp_path), lambda *at: harm_file(tmp_path, *at))
    bucket = request.getfixturevalue("bucket")
    return Place(
        lambda: ArtifactBucket(bucket, tmp_path, 50_000_000), lambda *at: harm_object(bucket, *at)
    )


def harm_file(root, digest, name, content):
    path = root / "sha256" / digest.removeprefix("sha256:") / name
    path.chmod(0o600)
    path.unlink() if content is None else path.write_bytes(content)


def harm_object(bucket, digest, name, content):
    store = _connect(bucket)
    key = f"artifacts/{digest.removeprefix('sha256:')}/{name}"
    obstore.delete(store, key) if content is None else obstore.put(store, key, content)


@pytest.fixture
def artifact(make):
    files = make.an_artifact()
    return make.sha256_digest(files["manifest.json"]), files


def commit(store, artifact):
    digest, files = artifact
    with store.receive() as intake:
        for name, content in files.items():
            intake.write(name, [content[:7], content[7:]])
        intake.commit(digest)
    return digest


def read(store, make, artifact, name="model.skops"):
    opened = opened_file(store, make, artifact, name)
    return b"".join(opened.read(0, opened.size))


def opened_file(store, make, artifact, name):
    digest, files = artifact
    return store.open(digest, name, make.sha256_digest(files[name]))


def test_what_was_committed_is_read_byte_for_byte(place, make, artifact):
    digest = commit(place.store, artifact)

    assert place.store.manifest(digest) == artifact[1]["manifest.json"]
    for name, content in artifact[1].items():
        assert read(place.store, make, artifact, name) == content
    opened = opened_file(place.store, make, artifact, "model.skops")
    assert b"".join(opened.read(5, 9)) == artifact[1]["model.skops"][5:9]


def test_a_large_file_is_read_byte_for_byte(place, make):
    files = make.an_artifact(weights=LARGE)
    artifact = (make.sha256_digest(files["manifest.json"]), files)
    commit(place.store, artifact)

    assert read(place.store, make, artifact) == files["model.skops"]


def test_another_process_sees_it(place, make, artifact):
    commit(place.store, artifact)

    assert read(place.open_store(), make, artifact) == artifact[1]["model.skops"]


def test_a_write_says_the_digest_and_shows_the_content(place, make):
    with place.store.receive() as intake:
        assert intake.write("a.json", [b"{", b"}"]) == make.sha256_digest(b"{}")
        assert intake.write("b.json", []) == make.sha256_digest(b"")
        with intake.content("a.json") as content:
            assert bytes(content[:]) == b"{}"
        with intake.content("b.json") as content:
            assert bytes(content[:]) == b""


def test_without_a_commit_nothing_is_left(place, artifact):
    digest, files = artifact
    with ExitStack() as stack, suppress(KeyboardInterrupt):
        intake = stack.enter_context(place.store.receive())
        intake.write("manifest.json", [files["manifest.json"]])
        raise KeyboardInterrupt

    assert place.store.manifest(digest) is None
    assert list(place.store.kept()) == []


@pytest.mark.parametrize("name", ["manifest.json", "model.skops"])
@pytest.mark.parametrize("content", [b"{}", b"", None], ids=["other", "empty", "gone"])
def test_harmed_bytes_are_never_served_and_a_second_commit_heals(
    place, make, artifact, name, content
):
    digest = commit(place.store, artifact)
    place.harm(digest, name, content)

    if name == "manifest.json" and content is None:
        assert place.store.manifest(digest) is None
    elif name == "manifest.json":
        with pytest.raises(ArtifactDamaged):
            place.store.manifest(digest)
    else:
        with pytest.raises(ArtifactDamaged):
            read(place.store, make, artifact)

    commit(place.store, artifact)
    assert place.store.manifest(digest) == artifact[1]["manifest.json"]
    assert read(place.store, make, artifact) == artifact[1]["model.skops"]


def test_a_second_commit_of_a_whole_artifact_changes_nothing(place, artifact):
    commit(place.store, artifact)
    (first,) = place.store.kept()

    commit(place.store, artifact)

    assert list(place.store.kept()) == [first]


def test_what_is_kept_is_listed_with_its_bytes_and_time(place, artifact):
    digest = commit(place.store, artifact)

    (kept,) = place.store.kept()
    assert kept.digest == digest
    assert kept.size == sum(len(content) for content in artifact[1].values())
    assert abs(kept.written_at - time.time()) < 600


def test_what_is_removed_is_gone_and_may_come_again(place, make, artifact):
    digest = commit(place.store, artifact)

    place.store.remove(digest)
    place.store.remove(digest)

    assert place.store.manifest(digest) is None
    assert list(place.store.kept()) == []
    commit(place.store, artifact)
    assert read(place.store, make, artifact) == artifact[1]["model.skops"]


def test_an_artifact_that_is_not_there_has_no_manifest(place):
    assert place.store.manifest("sha256:" + "0" * 64) is None


def test_marks_are_seen_by_every_process_until_they_are_cleared(place):
    other = place.open_store()
    mark = Mark(MarkKind.RESERVED, "sha256:" + "1" * 64, "abc")
    same = Mark(MarkKind.RESERVED, "sha256:" + "1" * 64, "def")
    place.store.put(mark)
    place.store.put(same)

    assert {found for found, _ in other.all(MarkKind.RESERVED)} == {mark, same}
    assert list(other.all(MarkKind.CONDEMNED)) == []
    assert all(abs(made_at - time.time()) < 600 for _, made_at in other.all(MarkKind.RESERVED))
    place.store.clear(mark)
    place.store.clear(mark)
    assert [found for found, _ in other.all(MarkKind.RESERVED)] == [same]


class TestBucket:
    def test_a_cached_file_that_was_changed_is_fetched_again(
        self, bucket, tmp_path, make, artifact
    ):
        store = ArtifactBucket(bucket, tmp_path, 50_000_000)
        commit(store, artifact)
        read(store, make, artifact)
        (cached,) = (tmp_path / "cache").iterdir()
        cached.chmod(0o600)
        cached.write_bytes(b"changed")

        assert read(store, make, artifact) == artifact[1]["model.skops"]

    def test_the_cache_keeps_to_its_bytes(self, bucket, tmp_path, make, artifact):
        store = ArtifactBucket(bucket, tmp_path, 100)
        commit(store, artifact)

        assert read(store, make, artifact) == artifact[1]["model.skops"]
        assert read(store, make, artifact, "vocabulary.json") == b'{"good":0}'
        assert [path.stat().st_size for path in (tmp_path / "cache").iterdir()] == [10]

    def test_a_cached_file_is_served_while_the_store_is_down(
        self, bucket, tmp_path, make, artifact
    ):
        store = ArtifactBucket(bucket, tmp_path, 50_000_000)
        commit(store, artifact)
        read(store, make, artifact)
        harm_object(bucket, artifact[0], "model.skops", None)

        assert read(store, make, artifact) == artifact[1]["model.skops"]

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"endpoint": "http://127.0.0.1:9"}, "cannot be listed"),
            ({"secret_access_key": "wrong"}, "cannot be listed"),
        ],
    )
    def test_a_store_that_does_not_let_us_in_is_unavailable(self, bucket, tmp_path, change, said):
        fields = {**vars(bucket), **change}

        with pytest.raises(StoreUnavailable, match=said):
            ArtifactBucket(Bucket(**fields), tmp_path, 0)
