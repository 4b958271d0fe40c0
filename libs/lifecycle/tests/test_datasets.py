import pytest

from lifecycle.datasets import is_row, is_set_name, row_id, row_line


@pytest.mark.parametrize("source", ["imdb", 'a "quoted" one', "back\\slash", "größer", ""])
def test_every_row_has_a_line_that_is_one(source):
    line = row_line(row_id("fine"), 1, source)

    assert line.endswith(b"\n")
    assert is_row(line[:-1])


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b'["fine",1,"imdb"]',
        b'["' + b"0" * 64 + b'",1,"imdb","a text"]',
        b'["' + b"0" * 64 + b'",1,"imdb"]]',
        b'["' + b"0" * 64 + b'",-2,"imdb"]',
        b'["' + b"0" * 64 + b'", 1, "imdb"]',
    ],
)
def test_nothing_else_is_a_row(line):
    assert not is_row(line)


def test_a_sets_name_cannot_lead_elsewhere():
    assert is_set_name("rotten_tomatoes")
    assert not any(map(is_set_name, ("../train", "", "a/b", "A", "a.b")))
