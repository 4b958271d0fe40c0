import pytest

from lifecycle.digests import sha256_digest
from lifecycle.documents import DocumentRefused
from lifecycle.prompts import read_prompt, split_prompt

HEADER = {
    "name": "sentiment",
    "version": "0.3.1",
    "goal": "tell whether a review praises",
    "rules": ["one word"],
    "format": "the label alone",
    "labels": ["negative", "positive"],
}
BODY = "Answer with one of {{labels}}.\nReview: {{ text }}\n"
PATH = "prompts/prompt_v0.3.1.txt"


def read(body=BODY, path=PATH, **changes):
    return read_prompt({**HEADER, **changes}, body, b"the whole file", path)


def test_header_and_prompt_are_parted_by_a_line():
    assert split_prompt(b"version: 1.0.0\n---\nDo it: {{text}}\n---\nx", "p") == (
        "version: 1.0.0",
        "Do it: {{text}}\n---\nx",
    )


def test_a_prompts_digest_is_of_the_whole_file():
    assert read().digest == sha256_digest(b"the whole file")


def test_a_text_that_looks_like_a_variable_stays_text():
    filled = read().filled("I {{labels}} it")

    assert filled == "Answer with one of negative, positive.\nReview: I {{labels}} it\n"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"version": "1.0"}, "a semantic version"),
        ({"path": "prompts/prompt_v0.3.2.txt"}, "holds version 0.3.1"),
        ({"body": "{{text}} {{config.secret}}"}, r"has {{config\.secret}}"),
        ({"body": "no place"}, "has no {{text}}"),
        ({"rules": "one"}, "must be a list"),
        ({"mood": "good"}, "unknown field 'mood'"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused(changes, complaint):
    with pytest.raises(DocumentRefused, match=complaint):
        read(**changes)


@pytest.mark.parametrize("content", [b"version: 1.0.0", b"a: 1\n---\n \n", b"\xff\n---\nx"])
def test_a_file_that_is_no_prompt_is_refused(content):
    with pytest.raises(DocumentRefused, match=r"p has no prompt|p is not UTF-8"):
        split_prompt(content, "p")
