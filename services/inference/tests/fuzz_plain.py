"""Feeds the recogniser of plain requests packets that are almost plain, under sanitizers.

Whatever it takes, the parser that reads all other requests must read as the same: where two readers
of one packet differ, a request can be smuggled. `scripts/sanitize.py` runs it; `make fuzz` for
longer than the tests do.
"""

import argparse
import importlib.util
import json
import sys
import time
from importlib.machinery import ExtensionFileLoader
from pathlib import Path

import httptools
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.dialects import decode_predict, encode_json
from textmodels.predictions import Answer

PATHS = (b"/predict", b"/v1/models/sentiment:predict")
KEPT = (b"x-request-id", b"x-client-request-id", b"x-slice-domain")
REFUSED = (b"expect", b"transfer-encoding", b"upgrade", b"content-encoding", b"proxy-connection")
HEAD_LIMIT, BODY_LIMIT = 400, 100

NAMES = st.sampled_from(
    [
        *(name.decode() for name in KEPT + REFUSED),
        "Host",
        "HOST ",
        " host",
        "X-Request-ID",
        "Connection",
        "content-length",
        "Content-Length",
        "Content_Length",
        "x" * 70,
        "",
    ]
)
VALUES = st.sampled_from(
    [
        "",
        "a",
        "keep-alive",
        "close",
        "Keep-Alive",
        "chunked",
        "3",
        "+3",
        "3,3",
        "0",
        "9" * 20,
        "a\tb",
    ]
) | st.text(max_size=8)
ENDS = st.sampled_from(["\n", "\r", "\r\r\n", "\r\n ", "\x00\r\n", "\r\n"])
COLONS = st.sampled_from([":", " :", ":\t", ":  ", "", "::", ": "])
ODD = st.tuples(NAMES, COLONS, VALUES, ENDS).map("".join)
USUAL = [
    "Host: inference\r\n",
    "Accept: */*\r\n",
    "Connection: keep-alive\r\n",
    "X-Request-Id: r-1\r\n",
    "x-slice-domain: films and books\r\n",
    "user-agent:curl/8\r\n",
]
TEXTS = st.builds(dict, text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=7))
BODIES = TEXTS.map(encode_json)
HEADS = [f"POST {path.decode()} HTTP/1.1\r\n" for path in PATHS]
ODD_HEADS = st.tuples(
    st.sampled_from(["POST", "GET", "post", "POST\t", "\r\nPOST"]),
    st.sampled_from(
        [" /predict ", " /v1/models/sentiment:predict ", " /", " /predict? ", " /Predict "]
    ),
    st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/1.1 ", "http/1.1", "X"]),
    ENDS,
).map("".join)


@st.composite
def requests(draw):
    """Draw one request: plain, or with one or a few things that are not."""
    body = draw(st.one_of(BODIES, BODIES, BODIES, st.binary(max_size=12)))
    plain = draw(st.booleans())
    head = draw(
        st.sampled_from(HEADS[:1] * 3 + HEADS) if plain else st.sampled_from(HEADS) | ODD_HEADS
    )
    lines = draw(st.lists(st.sampled_from(USUAL), max_size=5, unique=True))
    lines.append(f"Content-Length: {len(body)}\r\n")
    if not plain:
        lines += draw(st.lists(ODD, max_size=2))
    lines = draw(st.permutations(lines))
    end = "\r\n" if plain else draw(ENDS)
    return f"{head}{''.join(lines)}{end}".encode(errors="replace") + body


@st.composite
def packets(draw):
    """Draw a packet of requests, cut, or with a few bytes that are others."""
    packet = bytearray(b"".join(draw(st.lists(requests(), max_size=3))))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1]))):
        if packet:
            packet[draw(st.integers(0, len(packet) - 1))] = draw(st.integers(0, 255))
    return bytes(packet[: draw(st.sampled_from([len(packet), draw(st.integers(0, len(packet)))]))])


class Heard:
    """What the parser says of a packet that is one request."""

    def __init__(self, packet):
        self.url, self.headers, self.body, self.whole = b"", [], b"", 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(packet)

    def on_url(self, url):
        self.url += url

    def on_header(self, name, value):
        self.headers.append((name.lower(), value))

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.whole += 1


def require_the_same(packet, start, found):
    """What was found is what the parser reads, whole and alone, and nothing else could be meant."""
    position, headers, body, end = found
    heard = Heard(packet[start:end])
    assert (heard.whole, heard.url, heard.body) == (1, PATHS[position], body)
    assert heard.parser.get_method() == b"POST"
    assert heard.parser.get_http_version() == "1.1"
    assert heard.parser.should_keep_alive()
    assert not heard.parser.should_upgrade()
    names = [name for name, _ in heard.headers]
    assert headers == {name: value for name, value in heard.headers if name in KEPT}
    assert all(names.count(name) == 1 for name in (*headers, b"content-length"))
    assert not set(names) & set(REFUSED)
    assert len(body) <= BODY_LIMIT
    assert end - len(body) - start <= HEAD_LIMIT


def load(directory):
    """Return the extension that was compiled into a directory."""
    (library,) = directory.glob("_plain.*.so")
    loader = ExtensionFileLoader("_plain", str(library))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("_plain", loader))
    loader.exec_module(module)
    return module


class Told:
    """What the teller does with a packet: it must be what was found there, or nothing."""

    def __init__(self, module, recogniser):
        self.texts = []
        cells = memoryview(bytearray(8 * 7)).cast("d")
        callables = (self.answer, encode_json, None, lambda: "minted", time.perf_counter)
        places = ((0, 1, 2, 3, 6), (0.1, 0.5, float("inf")))
        labels, digest, longest = ("bad", "good"), b"sha256:1", 6
        self.tell = module.Teller(
            recogniser, decode_predict, *callables, labels, digest, longest, cells, *places
        ).tell

    def answer(self, texts):
        self.texts += texts
        return [Answer(1, [0.25, 0.75], 3, 0.0, truncated=False, projection=b"")]

    def require(self, packet, start, found):
        asked = len(self.texts)
        told = self.tell(packet, start, b"HTTP/1.1 200 OK\r\n")
        if told is None:
            assert len(self.texts) == asked
            return 0
        position, headers, body, end = found
        assert (position, end) == (0, told[1])
        assert self.texts[asked:] == [json.loads(body)["text"]]
        assert headers.get(b"x-request-id", b"minted") in told[0]
        assert b"x-slice-domain" not in headers
        return 1


def fuzz(directory, examples):
    """Run the property on the extension in a directory; return how many requests were found."""
    module = load(directory)
    recogniser = module.Recogniser(PATHS, KEPT, REFUSED, HEAD_LIMIT, BODY_LIMIT)
    told = Told(module, recogniser)
    taken = answered = 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(packets())
    def what_is_found_is_what_the_parser_reads(packet):
        nonlocal taken, answered
        start = 0
        while (found := recogniser.recognise(packet, start)) is not None:
            require_the_same(packet, start, found)
            answered += told.require(packet, start, found)
            start = found[-1]
            taken += 1
        assert told.tell(packet, start, b"") is None

    what_is_found_is_what_the_parser_reads()
    return taken, answered


def main():
    """Fuzz the sanitized extension that `scripts/sanitize.py` has made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=20_000, help="packets")
    parser.add_argument("--libraries", type=Path, required=True)
    chosen = parser.parse_args()
    taken, answered = fuzz(chosen.libraries, chosen.examples)
    assert answered > chosen.examples // 60, f"only {answered} were usual: draw others"
    sys.stdout.write(
        f"{chosen.examples} packets, {taken} plain requests, {answered} answered: nothing found\n"
    )


if __name__ == "__main__":
    main()
