import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmodels.slices import length_slice
from textmodels.text_measures import MEASURES, TextMeasures, measure_text
from textmodels.verification import HOSTILE_TEXTS


def test_an_empty_text_has_nothing_to_measure():
    assert measure_text("") == TextMeasures(0, 0, 0.0, "und")


def test_characters_words_and_non_letters_are_counted():
    assert measure_text("The film: 9/10") == TextMeasures(14, 3, pytest.approx(5 / 12), "en")
    assert measure_text("Un tr\u00e8s \u00e9t\u00e9 9") == TextMeasures(
        13, 4, pytest.approx(1 / 10), "fr"
    )


@given(st.text())
def test_any_text_can_be_measured(text):
    measures = measure_text(text)
    assert measures.characters == len(text)
    assert measures.words == len(text.split())
    assert 0 <= measures.non_letter_share <= 1
    assert measures.language


# Function words, letters of every script, white space of every kind, and what is none of these.
PIECES = st.one_of(
    st.text(max_size=9),
    st.sampled_from(["the", "THE", "und", "été", "İ", "très,", "\x1c", "\x85", "\u2003", "\ud800"]),
    st.characters(min_codepoint=0x250, max_codepoint=0x1000),
    st.characters(min_codepoint=0x3000, max_codepoint=0xE000),
)


@given(st.lists(PIECES, max_size=400).map(" ".join))
def test_c_and_python_measure_the_same(text):
    in_c, in_python = (measure(text) for measure in MEASURES)
    assert in_c == in_python


@pytest.mark.parametrize("text", [*HOSTILE_TEXTS, "the " * 1_000, "\xe9" * 2_000])
def test_c_and_python_measure_hostile_texts_the_same(text):
    in_c, in_python = (measure(text) for measure in MEASURES)
    assert in_c == in_python


def test_what_is_no_text_is_not_measured():
    with pytest.raises(TypeError, match="a text is a bytes, not a str"):
        measure_text(b"film")


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=range(len(HOSTILE_TEXTS)))
def test_hostile_texts_can_be_measured(text):
    assert 0 <= measure_text(text).non_letter_share <= 1


@given(st.text("abcXYZ019 .,-"))
def test_ascii_letters_are_counted_as_any_letters(text):
    letters = sum(map(str.isalpha, text))
    visible = sum(not character.isspace() for character in text)
    expected = 1 - letters / visible if visible else 0
    assert measure_text(text).non_letter_share == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("This is the story of a man who was lost", "en"),
        ("Der Film war sehr gut und nicht zu lang", "de"),
        ("Le film est très long mais les acteurs sont dans le ton", "fr"),
        ("La película es muy buena y los actores no fallan", "es"),
        ("Il film è molto bello e non annoia", "it"),
        ("O filme é muito bom e não cansa", "pt"),
        ("De film is niet slecht, maar het einde was zwak", "nl"),
        ("Filmen är mycket bra och inte för lång", "sv"),
        ("Ten film jest bardzo dobry i nie nudzi się", "pl"),
        ("Bu film çok iyi ve hiç uzun değil", "tr"),
        (
            "Отличный фильм",
            "cyrillic",
        ),
        ("すばらしい映画でした", "cjk"),
        ("훌륭한 영화", "cjk"),
        ("فيلم رائع", "arabic"),
        (
            "Εξαιρετική ταινία",
            "greek",
        ),
        ("Great movie", "und"),
        ("12345 !!! \U0001f600", "und"),
    ],
)
def test_the_language_is_guessed_from_script_and_function_words(text, language):
    assert measure_text(text).language == language


@pytest.mark.parametrize(
    ("words", "name"),
    [(0, "short"), (128, "short"), (129, "medium"), (300, "medium"), (301, "long")],
)
def test_length_slices_end_where_the_project_says(words, name):
    assert length_slice(words) == name
