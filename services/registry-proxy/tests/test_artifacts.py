import pytest

from registry_proxy.artifacts.ranges import RangeUnsatisfiable, read_range


@pytest.fixture
def digest(lasting_world):
    return lasting_world.state["versions"][0]["digest"]


def fetch(world, digest, name="model.skops", **headers):
    return world.get(f"/v1/artifacts/{digest}/files/{name}", headers=headers)


def test_a_file_is_served_with_its_own_digest_as_etag(lasting_world, make, digest):
    answer = fetch(lasting_world, digest)

    assert answer.content == make.a_skops(b"r1")
    assert answer.headers["etag"] == f'"{make.sha256_digest(answer.content)}"'
    assert answer.headers["content-length"] == str(len(answer.content))


def test_the_manifest_hashes_to_the_digest(lasting_world, make, digest):
    answer = lasting_world.get(f"/v1/artifacts/{digest}/manifest")

    assert make.sha256_digest(answer.content) == digest
    assert answer.headers["etag"] == f'"{digest}"'


def test_what_the_caller_has_is_not_sent_again(lasting_world, digest):
    etag = fetch(lasting_world, digest).headers["etag"]

    answer = fetch(lasting_world, digest, **{"if-none-match": etag})

    assert answer.status_code == 304
    assert answer.content == b""


def test_a_range_is_served(lasting_world, digest):
    name = "vocabulary.json"
    answer = fetch(lasting_world, digest, name, range="bytes=1-4")

    assert answer.status_code == 206
    assert answer.content == b'"goo'
    assert answer.headers["content-range"] == "bytes 1-4/10"


def test_a_range_of_what_has_changed_is_served_whole(lasting_world, digest):
    headers = {"range": "bytes=0-0", "if-range": '"sha256:other"'}
    answer = fetch(lasting_world, digest, "vocabulary.json", **headers)

    assert (answer.status_code, answer.content) == (200, b'{"good":0}')


def test_a_range_outside_of_the_file_is_refused(lasting_world, digest):
    answer = fetch(lasting_world, digest, "vocabulary.json", range="bytes=10-")

    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */10"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, 10)),
        ("bytes=2-3", (2, 4)),
        ("bytes=2-99", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("items=0-1", None),
        ("bytes=x", None),
    ],
)
def test_ranges_are_read_as_the_rfc_says(header, expected):
    assert read_range(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=-0"])
def test_an_empty_range_is_unsatisfiable(header):
    with pytest.raises(RangeUnsatisfiable):
        read_range(header, 10)


@pytest.mark.parametrize(
    "name",
    [
        "../../../ledger.db",
        "..%2f..%2f..%2fledger.db",
        "%2e%2e/%2e%2e/%2e%2e/ledger.db",
        "....//ledger.db",
        "/etc/passwd",
        "model.skops%00",
        "model.skops/",
        "manifest.json",
        "MODEL.SKOPS",
    ],
)
def test_only_files_that_the_manifest_names_are_served(lasting_world, digest, name):
    answer = lasting_world.get(f"/v1/artifacts/{digest}/files/{name}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", "sha256:zz", "sha256:" + "0" * 64, "%2e%2e%2fincoming"]
)
def test_an_artifact_that_is_not_there_is_not_found(lasting_world, name):
    assert lasting_world.get(f"/v1/artifacts/{name}/manifest").status_code == 404
    assert lasting_world.get(f"/v1/artifacts/{name}/files/model.skops").status_code == 404


def test_a_damaged_manifest_is_not_served(world):
    digest = world.register()
    folder = world.folder / "registry/artifacts/sha256" / digest.removeprefix("sha256:")
    (folder / "manifest.json").chmod(0o600)
    (folder / "manifest.json").write_text("{}")

    assert world.get(f"/v1/artifacts/{digest}/manifest").status_code == 500


def test_a_link_in_place_of_a_file_is_not_followed_to_other_bytes(world, tmp_path):
    digest = world.register()
    folder = world.folder / "registry/artifacts/sha256" / digest.removeprefix("sha256:")
    (folder / "model.skops").unlink()
    (tmp_path / "secret").write_text("secret")
    (folder / "model.skops").symlink_to(tmp_path / "secret")

    assert fetch(world, digest).status_code == 500
