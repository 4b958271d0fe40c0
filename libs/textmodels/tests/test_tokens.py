from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from textmodels.tokens import tokenise
from textmodels.verification import HOSTILE_TEXTS, require_same_tokens

ANALYSE = TfidfVectorizer().build_analyzer()


def test_words_of_two_or_more_characters_are_tokens():
    assert tokenise("It's a GREAT film, 10/10!") == ["it", "great", "film", "10", "10"]


@given(st.text())
def test_any_text_is_split_as_scikit_learn_splits_it(text):
    assert tokenise(text) == ANALYSE(text)


@given(st.text(st.characters(codec=None)))
def test_texts_with_lone_surrogates_are_split_as_scikit_learn_splits_them(text):
    assert tokenise(text) == ANALYSE(text)


def test_hostile_texts_are_split_as_scikit_learn_splits_them():
    require_same_tokens(HOSTILE_TEXTS, ANALYSE)
