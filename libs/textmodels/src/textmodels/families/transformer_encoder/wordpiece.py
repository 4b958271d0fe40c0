"""Reads a text as BERT's uncased models do: cleaned, lower case, no accents, WordPiece.

The rules are those of a Hugging Face `tokenizer.json`, of which only this kind is taken; at build
time the ids are compared with the tokenizers package. It is written anew because that package
brings a client of a model hub, and takes three times as long. They differ in some 500 characters
that are newer than that package's tables, and in one thing that is meant: a text that says "[SEP]"
or "[PAD]" means those letters, and cannot put the model's own marks into its input.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from textmodels.manifests import ArtifactError

TOKENISER_NAME = "tokenizer.json"
PADDING_ID = 0

_CONTINUED = "##"
_LONGEST_WORD = 100
_NORMALISER = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,
    "lowercase": True,
}
_MODEL = {
    "type": "WordPiece",
    "unk_token": "[UNK]",
    "continuing_subword_prefix": _CONTINUED,
    "max_input_chars_per_word": _LONGEST_WORD,
}
# Each is a word of its own, as in Google's BERT; the gap at U+2B820 is the tokenizers package's.
_IDEOGRAPHS = (
    range(0x4E00, 0xA000),
    range(0x3400, 0x4DC0),
    range(0x20000, 0x2A6E0),
    range(0x2A700, 0x2B820),
    range(0x2B920, 0x2CEB0),
    range(0xF900, 0xFB00),
    range(0x2F800, 0x2FA20),
)
# What is left out of a text: control and format characters, private ones, halves of pairs.
_CONTROLS = frozenset({"Cc", "Cf", "Co", "Cs"})
# Spellings kept: those of the scripts a service meets, and never those of all of Unicode.
_SPELLINGS_KEPT = 4_096


class Reading(NamedTuple):
    """What the model sees of one text."""

    ids: Sequence[int]
    """With the marks at both ends."""
    unknown_share: float
    """Share of the words' pieces that are [UNK]."""
    truncated: bool


class WordPiece:
    """A vocabulary {piece: id} and the number of ids a text is cut at, marks included.

    `raw` is the file that says so.
    """

    def __init__(self, vocabulary: Mapping[str, int], max_length: int, raw: bytes) -> None:
        self.raw = raw
        self.vocabulary = vocabulary
        self.max_length = max_length
        self._unknown = vocabulary["[UNK]"]
        self._first, self._last = vocabulary["[CLS]"], vocabulary["[SEP]"]
        self._longest_piece = max(map(len, vocabulary))
        self._spellings = _Spellings()

    def read(self, text: str) -> Reading:
        """Return the ids of a text; words behind the limit are not looked at."""
        room = self.max_length - 2
        ids: list[int] = []
        for word in text.translate(self._spellings).split():
            number = self.vocabulary.get(word)
            ids += self._split(word) if number is None else (number,)
            if len(ids) > room:
                break
        kept = ids[:room]
        unknown = kept.count(self._unknown) / len(kept) if kept else 0.0
        return Reading((self._first, *kept, self._last), unknown, len(ids) > room)

    def _split(self, word: str) -> Sequence[int]:
        """Take the longest piece there is again and again; a word with a rest is unknown."""
        if len(word) > _LONGEST_WORD:
            return (self._unknown,)
        ids: list[int] = []
        start, prefix = 0, ""
        while start < len(word):
            for end in range(min(len(word), start + self._longest_piece), start, -1):
                number = self.vocabulary.get(prefix + word[start:end])
                if number is not None:
                    break
            else:
                return (self._unknown,)
            ids.append(number)
            start, prefix = end, _CONTINUED
        return ids


class _Spellings(dict[int, str]):
    """What each character becomes, for str.translate: words end up between spaces."""

    def __missing__(self, code: int) -> str:
        spelling = _spell(chr(code))
        if len(self) < _SPELLINGS_KEPT:
            self[code] = spelling
        return spelling


def _spell(character: str) -> str:
    if character.isspace() and (character in "\t\n\r" or not _is_control(character)):
        return " "
    if character == "\ufffd" or _is_control(character):
        return ""
    letters = (part for part in unicodedata.normalize("NFD", character))
    plain = "".join(part for part in letters if unicodedata.category(part) != "Mn").lower()
    alone = any(ord(character) in block for block in _IDEOGRAPHS)
    isolated = "".join(f" {part} " if _is_punctuation(part) else part for part in plain)
    return f" {isolated} " if alone else isolated


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in _CONTROLS


def _is_punctuation(character: str) -> bool:
    is_ascii_symbol = character.isascii() and not character.isalnum() and character.isprintable()
    return (is_ascii_symbol and character != " ") or unicodedata.category(character)[0] == "P"


def pack_tokeniser(document: Mapping[str, Any], max_length: int) -> bytes:
    """Return a published `tokenizer.json` that cuts at `max_length` and does not pad."""
    cut = {"max_length": max_length, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    changed = {**document, "truncation": cut, "padding": None}
    return json.dumps(changed, sort_keys=True).encode()


def unpack_tokeniser(raw: bytes) -> WordPiece:
    """Return what a `tokenizer.json` describes; ArtifactError when it is of another kind."""
    try:
        document = json.loads(raw)
        model = dict(document["model"])
        vocabulary = model.pop("vocab")
        max_length = document["truncation"]["max_length"]
        rules = document["normalizer"], document["pre_tokenizer"]["type"]
        words = WordPiece(vocabulary, max_length, raw)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{TOKENISER_NAME}: not a tokeniser's file ({error!r})") from error
    if model != _MODEL or rules != (_NORMALISER, "BertPreTokenizer"):
        raise ArtifactError(f"{TOKENISER_NAME}: describes another tokeniser than BERT's uncased")
    numbers = sorted(vocabulary.values())
    if numbers != list(range(len(vocabulary))) or vocabulary.get("[PAD]") != PADDING_ID:
        raise ArtifactError(f"{TOKENISER_NAME}: its ids must be 0 .. n-1, with [PAD] as 0")
    if type(max_length) is not int or max_length < 3:
        raise ArtifactError(f"{TOKENISER_NAME}: max_length must be a whole number above 2")
    return words
