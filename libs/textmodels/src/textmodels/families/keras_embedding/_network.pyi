from collections.abc import Sequence

from textmodels.families.keras_embedding.network import Arrays
from textmodels.predictions import Answer
from textmodels.scorers import Columns

class Scorer:
    def __init__(self, arrays: Arrays) -> None: ...
    def answer(self, texts: Sequence[str], /) -> list[Answer]: ...
    def score(self, texts: Sequence[str], columns: Columns, /) -> None: ...
