"""Proof, at build time, that two ways of scoring the same model agree.

A model that is served by other code than it was trained with is compared with the original
before it is named: on texts of its own and on hostile ones, which meet the edges (no token,
no known token, cut at the limit) that ordinary texts seldom do.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from textmodels.predictions import Predictions
from textmodels.tokens import tokenise

# float32 leaves about 1e-7 between two orders of summation; a real mistake leaves far more.
SCORE_TOLERANCE = 1e-6

HOSTILE_TEXTS = (
    "",
    " \t\r\n\u00a0\u2003",
    "\0",
    "good\0bad \0\0 film",
    "a I 7",
    "\U0001f600\U0001f44d\U0001f3fd\u200d\U0001f9b0 \u2764\ufe0f",
    "\ud800 a lone surrogate \udfff",
    "\u202egood\u202c \u200bfilm\ufeff",
    "\u0130\u0131 \u1e9e STRASSE \ufb01lm \u01c5 e\u0301te\u0301",
    "\u041e\u0442\u043b\u0438\u0447\u043d\u044b\u0439 \u0444\u0438\u043b\u044c\u043c",
    "\u3059\u3070\u3089\u3057\u3044\u6620\u753b\u3067\u3057\u305f",
    "\u0641\u064a\u0644\u0645 \u0631\u0627\u0626\u0639 \u0661\u0662\u0663",
    "<br /><br />the film & its __dunder__ x_1 don't can't 3.14 1_000",
    "the worst film of the year, and the best acting",
    "good film " * 2_000,
    "x" * 20_000,
)


class VerificationError(Exception):
    """A model does not score as the one it was made from."""


def require_same_tokens(texts: Sequence[str], analyse: Callable[[str], list[str]]) -> None:
    """Require that `analyse`, the vectoriser's own analyser, splits texts as `tokenise` does."""
    for position, text in enumerate(texts):
        if tokenise(text) != analyse(text):
            raise VerificationError(
                f"text {position} of {len(texts)} is split differently by textmodels.tokens and "
                "by the vectoriser's analyser: a model built on one cannot be served by the other"
            )


def require_same_scores(found: NDArray[np.floating], expected: NDArray[np.floating]) -> None:
    """Require scores [n, k] within `SCORE_TOLERANCE` of the expected ones, and no label flipped.

    Where the two best expected scores are closer than the tolerance, either label is right.
    """
    difference = np.abs(found - expected).max(initial=0.0)
    if not difference <= SCORE_TOLERANCE:
        raise VerificationError(
            f"scores differ by {difference:.2g} from the model they were built from; "
            f"at most {SCORE_TOLERANCE:.0e} is allowed"
        )
    best = np.sort(expected, axis=1)
    decided = best[:, -1] - best[:, -2] > 2 * SCORE_TOLERANCE
    flipped = decided & (found.argmax(axis=1) != expected.argmax(axis=1))
    if flipped.any():
        raise VerificationError(f"{flipped.sum()} of {len(found)} texts get another label")


def require_identical(found: Predictions, expected: Predictions) -> None:
    """Require that every column is equal to the bit: the same arithmetic on the same numbers."""
    for column, values in vars(expected).items():
        if not np.array_equal(vars(found)[column], values):
            raise VerificationError(
                f"the saved model answers with other {column} than the fitted one"
            )
