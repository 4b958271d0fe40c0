"""A guess at a text's language from its script and its function words.

Microseconds and no model: good enough to notice that the traffic's language has moved,
which is all it is for. It is not a language identifier, and short texts are often 'und'.
"""

import re
from itertools import accumulate, repeat

import numpy as np

UNKNOWN_LANGUAGE = "und"

# Enough to decide, and it bounds the cost for a long text.
_SAMPLE_CHARACTERS = 1_000
_SAMPLE_TOKENS = 150

_RANGES = {
    "cyrillic": "\u0400-\u052f",
    "arabic": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff",
    "cjk": "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af",
    "greek": "\u0370-\u03ff",
    "hebrew": "\u0590-\u05ff",
    "devanagari": "\u0900-\u097f",
    "thai": "\u0e00-\u0e7f",
}
_SCRIPTS = {script: re.compile(f"[{letters}]") for script, letters in _RANGES.items()}
_ANY_SCRIPT = re.compile(f"[{''.join(_RANGES.values())}]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")

# A word in several lists counts for each; the languages are told apart by the rest.
_FUNCTION_WORDS = {
    "en": "the of and to is that it was for with as this but are not have be on you they his "
    "her from which at by what an were there been would who very",
    "de": "der die das und ist nicht ein eine einen mit von zu den dem des es ich sie wir auch "
    "auf aus sich wie aber oder war sehr noch nach bei wird sind",
    "fr": "le la les et est un une des du que qui dans pas pour ce cette sur avec au aux mais ne "
    "se sont plus par je il elle nous vous cétait très être",
    "es": "el la los las y es una que en de del no por con para como pero muy más esta este "
    "fue lo se al sus hay porque cuando ser",
    "it": "il lo la gli e è un una che di del della non per con sono ma più molto come "
    "questo questa nel anche ha si dei le al perché",
    "pt": "o os as e é um uma que não do da dos das em no na para com por mais muito "
    "mas como foi este esta se ao pelo também",
    "nl": "de het een en is van niet dat die in op te zijn met voor maar ook als aan er dit wel "
    "naar heeft was bij zeer deze geen wordt",
    "sv": "och det att en ett är som inte på av för med den var har jag men om så "
    "till från mycket vi han hon de eller detta kan",
    "pl": "i w nie na się z że jest to do jak ale bardzo po co tak za od przez dla był "
    "o tym są ten tylko czy już oraz tego",
    "tr": "ve bir bu da de için çok ile ama daha gibi kadar olan ne var en o ben "
    "değil her mi sonra olarak hiç iyi",
}


class FunctionWords:
    """All of this as the C extension takes it; the ranges of the scripts stand there once more."""

    def __init__(self) -> None:
        languages = list(_FUNCTION_WORDS)
        lists = [set(words.split()) for words in _FUNCTION_WORDS.values()]
        words = sorted(set[str]().union(*lists))
        spellings = [word.encode() for word in words]
        masks = [sum((word in known) << bit for bit, known in enumerate(lists)) for word in words]
        self.word_text = np.frombuffer(b"".join(spellings), np.uint8)
        self.word_ends = np.array(list(accumulate(map(len, spellings))), np.uint32)
        self.masks = np.array(masks, np.uint16)
        self.names = (*languages, *_SCRIPTS, UNKNOWN_LANGUAGE)


def guess_language(text: str) -> str:
    """Name the language (en, de, fr, ...), else the script (cyrillic, cjk, ...), else 'und'."""
    sample = text[:_SAMPLE_CHARACTERS]
    if not sample.isascii() and _ANY_SCRIPT.search(sample):
        script = _foreign_script(sample)
        if script is not None:
            return script
    return _language_of(sample)


def _foreign_script(sample: str) -> str | None:
    counts = {name: len(letters.findall(sample)) for name, letters in _SCRIPTS.items()}
    script = max(counts, key=counts.__getitem__)
    return script if counts[script] > len(_LATIN.findall(sample)) else None


def _language_of(sample: str) -> str:
    tokens = sample.lower().split(maxsplit=_SAMPLE_TOKENS)[:_SAMPLE_TOKENS]
    total = sum(map(_COUNTS_OF_WORD.get, tokens, repeat(0)))
    counts = total.to_bytes(len(_LANGUAGES), "little")
    most = max(counts)
    return _LANGUAGES[counts.index(most)] if counts.count(most) == 1 else UNKNOWN_LANGUAGE


def _count_by_word() -> dict[str, int]:
    counts: dict[str, int] = {}
    for position, language in enumerate(_LANGUAGES):
        for word in set(_FUNCTION_WORDS[language].split()):
            counts[word] = counts.get(word, 0) + (1 << 8 * position)
    return counts


# A byte a language: a sum over a sample's words counts for all of them at once.
_LANGUAGES = tuple(_FUNCTION_WORDS)
_COUNTS_OF_WORD = _count_by_word()
