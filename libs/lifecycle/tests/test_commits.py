import base64
import json
import subprocess

import pytest

from lifecycle.commits import object_id, read_commit, render_commit
from lifecycle.documents import DocumentRefused

FILES = {"README.md": b"hello\n", "a/b/dataset.yaml": b"kind: Dataset\n", "a/b/prompts/p.txt": b"?"}


def git(folder, *arguments):
    command = ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.fixture(params=["sha1", "sha256"])
def repository(request, tmp_path):
    """A repository of git's own making, with a project in a folder of it."""
    git(tmp_path, "init", "--quiet", f"--object-format={request.param}")
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def kept(repository, folder="a/b", names=("", "a", "a/b", "a/b/prompts")):
    head = git(repository, "rev-parse", "HEAD").decode().strip()
    trees = [("tree", git(repository, "cat-file", "tree", f"HEAD:{name}")) for name in names]
    objects = [("commit", git(repository, "cat-file", "commit", "HEAD")), *trees]
    return head, json.loads(render_commit(folder, objects))


def test_a_commits_own_objects_prove_what_files_it_has(repository):
    commit, document = kept(repository)
    proof = read_commit(document, commit)

    assert proof.holds("dataset.yaml", b"kind: Dataset\n")
    assert not proof.holds("dataset.yaml", b"kind: Dataset\nname: x\n")
    assert not proof.holds("README.md", b"hello\n")
    assert proof.holds_in("prompts", b"?")
    assert not proof.holds_in("prompts", b"!")


def test_a_project_may_be_the_whole_repository(repository):
    commit, document = kept(repository, ".", ("",))

    assert read_commit(document, commit).holds("README.md", b"hello\n")


def test_what_is_not_kept_is_not_proven(repository):
    commit, document = kept(repository, names=("", "a"))

    assert not read_commit(document, commit).holds("dataset.yaml", b"kind: Dataset\n")


def test_other_objects_prove_nothing_of_a_commit(repository):
    commit, document = kept(repository)
    other = "0" * len(commit)

    with pytest.raises(DocumentRefused, match=f"does not hold commit {other}"):
        read_commit(document, other)
    first = document["objects"][0]
    first["content"] = base64.b64encode(base64.b64decode(first["content"]) + b"!").decode()
    with pytest.raises(DocumentRefused, match="does not hold commit"):
        read_commit(document, commit)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "a mapping is needed"),
        ({"objects": [{"kind": "blob", "content": "eA=="}]}, "one of commit, tree"),
        ({"objects": [{"kind": "tree", "content": "?"}]}, "not base64"),
        ({"objects": [{"kind": "tree", "content": "eA=="}] * 65}, "65 objects"),
        ({"objects": []}, "does not hold commit"),
    ],
)
def test_what_is_no_proof_is_refused(document, reason):
    with pytest.raises(DocumentRefused, match=reason):
        read_commit(document, "0" * 40)
    with pytest.raises(DocumentRefused, match="no commit's id"):
        read_commit(document, "abc123")


def test_objects_made_up_to_be_odd_break_nothing():
    odd = b"tree \xff\xfe\n"
    commit = object_id("commit", odd)
    document = json.loads(render_commit("../..", [("commit", odd), ("tree", b"40000 a\0short")]))

    assert not read_commit(document, commit).holds("../x", b"")
