import subprocess
import sys
from pathlib import Path

import pytest

from inference.dialects import decode_predict, encode_json
from inference.plain import RECOGNISERS, begin_telling
from textmodels.predictions import Answer

ROOT = Path(__file__).resolve().parents[3]
PLAIN = b"POST /predict HTTP/1.1\r\nHost: i\r\nX-Request-Id: r-1\r\nContent-Length: 2\r\n\r\n{}"
HEAD = len(PLAIN) - 2


def request(body, more=b""):
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST /predict HTTP/1.1\r\nX-Request-Id: r-1\r\n" + more + length + b"\r\n" + body


def recogniser(head_limit=1_000, body_limit=10):
    kept = [b"x-request-id", b"x-client-request-id", b"x-slice-domain"]
    return RECOGNISERS[0]([b"/predict"], kept, [b"expect"], head_limit, body_limit)


def test_the_extension_is_built_here():
    assert [each.__module__ for each in RECOGNISERS] == ["inference._plain", "inference.plain"]


def test_a_plain_request_is_found_with_the_headers_that_are_kept():
    assert recogniser().recognise(PLAIN, 0) == (0, {b"x-request-id": b"r-1"}, b"{}", len(PLAIN))


def test_the_next_request_is_found_where_the_one_before_ends():
    first = recogniser().recognise(PLAIN + PLAIN, 0)

    assert recogniser().recognise(PLAIN + PLAIN, first[-1])[-1] == 2 * len(PLAIN)


def test_a_request_that_is_not_whole_is_not_found():
    assert not any(recogniser().recognise(PLAIN[:size], 0) for size in range(len(PLAIN)))


@pytest.mark.parametrize(
    ("plain", "odd"),
    [
        (b"POST", b"PUT"),
        (b"POST ", b"POST  "),
        (b"/predict", b"/predict?"),
        (b"/predict", b"/other"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"Host: i\r\n", b"Host: i\n"),
        (b"Host: i\r\n", b"Host: i\r"),
        (b"Host: i\r\n", b"Host: i\r\n more\r\n"),
        (b"Host: i\r\n", b"Host: i\r\n\tmore\r\n"),
        (b"Host: i", b"Host : i"),
        (b"Host: i", b"Ho st: i"),
        (b"Host: i", b"Ho\x00st: i"),
        (b"Host: i", b"H\xf6st: i"),
        (b"Host: i", b": i"),
        (b"Host: i", b"Host"),
        (b"Host: i", b"Host: \xff"),
        (b"Host: i", b"Host: a\x00b"),
        (b"Host: i", b"Host: a\tb"),
        (b"Host: i", b"Host: i "),
        (b"Host: i", b"Expect: 100-continue"),
        (b"Host: i", b"Connection: close"),
        (b"Host: i", b"Connection: keep-alive, upgrade"),
        (b"Host: i", b"Content-Length: 2"),
        (b"Host: i", b"x-request-id: other"),
        (b"Length: 2", b"Length: +2"),
        (b"Length: 2", b"Length: 2,2"),
        (b"Length: 2", b"Length: 0x2"),
        (b"Length: 2", b"Length: 11"),
        (b"Length: 2", b"Length: 99999999999999999999"),
        (b"Length: 2", b"Length: "),
        (b"Content-Length: 2\r\n", b""),
        (b"Content-Length", b"Content_Length"),
    ],
)
def test_what_is_not_plain_is_left_to_the_parser(plain, odd):
    assert recogniser().recognise(PLAIN.replace(plain, odd), 0) is None


@pytest.mark.parametrize("value", ["keep-alive", "Keep-Alive"])
def test_a_connection_that_is_kept_alive_is_plain(value):
    packet = PLAIN.replace(b"Host: i", f"Connection: {value}".encode())

    assert recogniser().recognise(packet, 0) is not None


def test_a_head_or_body_over_its_limit_is_left_to_the_parser():
    assert recogniser(head_limit=HEAD, body_limit=2).recognise(PLAIN, 0) is not None
    assert recogniser(head_limit=HEAD - 1).recognise(PLAIN, 0) is None
    assert recogniser(body_limit=1).recognise(PLAIN, 0) is None


def test_a_position_outside_the_packet_is_refused():
    for start in (-1, len(PLAIN) + 1):
        with pytest.raises(ValueError, match="position"):
            recogniser().recognise(PLAIN, start)


def test_names_that_are_too_many_or_too_long_are_refused():
    for kept in ([b"x"] * 60, [b"x" * 65]):
        with pytest.raises(ValueError, match="at most"):
            RECOGNISERS[0]([b"/predict"], kept, [], 1_000, 10)


USUAL = request(b'{"text": "a good film"}')
OPENING = b"HTTP/1.1 200 OK\r\ndate: now\r\n"


def an_answer(label, scores, tokens):
    return Answer(label, scores, tokens, 0.0, truncated=False, projection=b"")


class Telling:
    """A teller whose predictor says 0.25 and 0.75 of any text, with all that it does kept."""

    def __init__(self, *, reports=True, longest=30, answer=None):
        self.cells = memoryview(bytearray(8 * 10)).cast("d")
        self.asked, self.reported = [], []
        self.predicted = answer or an_answer(1, [0.25, 0.75], 3)
        self.tell = begin_telling(
            recogniser(body_limit=200),
            decode_predict,
            self.answer,
            encode_json,
            self.report if reports else None,
            lambda: "minted",
            iter([1.0, 1.5]).__next__,
            ("bad", "good"),
            b"sha256:1",
            longest,
            self.cells,
            (0, 1, 2, 3, 6),
            (0.1, 0.5, float("inf")),
        )

    def answer(self, texts):
        self.asked += texts
        return [self.predicted]

    def report(self, *told):
        self.reported.append(told)


def test_a_usual_request_is_answered_counted_and_reported():
    telling = Telling()
    packet = request(b'{"text": "a good film"}', b"X-Client-Request-Id: c-1\r\n")

    answer, end = telling.tell(b"before" + packet + b"behind", 6, OPENING)

    body = b'{"prediction":"good","scores":{"bad":0.25,"good":0.75}}'
    assert end == 6 + len(packet)
    assert answer == (
        OPENING
        + b"content-length: %d\r\ncontent-type: application/json\r\n" % len(body)
        + b"x-model-version: sha256:1\r\nx-request-id: r-1\r\nx-client-request-id: c-1\r\n\r\n"
        + body
    )
    assert telling.cells.tolist() == [1, 1, 3, 0, 1, 0, 0.5, 0, 0, 0]
    assert telling.reported == [("r-1", 0.5, ["a good film"], [telling.predicted])]


def test_a_request_without_an_id_gets_a_new_one_and_nobody_need_be_told():
    telling = Telling(reports=False)

    answer, _ = telling.tell(USUAL.replace(b"X-Request-Id: r-1\r\n", b""), 0, OPENING)

    assert b"\r\nx-request-id: minted\r\n" in answer
    assert telling.reported == []


@pytest.mark.parametrize(
    "packet",
    [
        USUAL[:-1],
        USUAL.replace(b"/predict", b"/other"),
        USUAL.replace(b"r-1", b"r 1"),
        USUAL.replace(b"r-1", b"r" * 129),
        request(b'{"text": "a good film"}', b"X-Slice-Domain: films\r\n"),
        request(b'{"text": "a good film"}', b"X-Client-Request-Id: {}\r\n"),
        request(b'{"text": "a good film", "more": 1}'),
        request(b'{"text": 5}'),
        request(b'{"text": "\xff"}'),
        request(b'{"text": ""}'),
        request(b'{"text": " \xe2\x80\x83\\n"}'),
        request(b'{"text": "%b"}' % (b"x" * 31)),
        request(b"[]"),
    ],
)
def test_what_is_not_usual_is_left_without_a_trace(packet):
    telling = Telling()

    assert telling.tell(packet, 0, OPENING) is None
    assert (telling.asked, telling.reported, sum(telling.cells)) == ([], [], 0)


@pytest.mark.parametrize(
    "answer",
    [
        an_answer(2, [0.25, 0.75], 3),
        an_answer(-1, [0.25, 0.75], 3),
        an_answer(1, [0.25], 3),
        an_answer(1, (0.25, 0.75), 3),
        an_answer(1, [0.25, 0.75], "3"),
        (1, [0.25, 0.75]),
        "no answer",
    ],
)
def test_an_answer_that_is_none_is_a_fault_and_counts_nothing(answer):
    telling = Telling(answer=answer)

    with pytest.raises((TypeError, ValueError, IndexError)):
        telling.tell(USUAL, 0, OPENING)

    assert sum(telling.cells) == 0


def test_no_packet_is_read_otherwise_than_the_parser_reads_it_nor_beyond_its_end():
    """Compiled with sanitizers, on packets almost plain, and events; `make fuzz` does more."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/sanitize.py", "services/inference", "--examples", "300"],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "answered: nothing found" in done.stdout
    assert "rows: nothing found" in done.stdout
