import io
import json
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from textmodels.families.tfidf_linear.skops_files import dump_trusted, load_trusted
from textmodels.manifests import ArtifactError


def a_pipeline():
    classifier = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    return Pipeline([("vectoriser", TfidfVectorizer()), ("classifier", classifier)])


def test_what_is_dumped_is_loaded():
    loaded = load_trusted(dump_trusted(a_pipeline()), "model.skops")
    expected = a_pipeline().named_steps["classifier"]
    assert np.array_equal(loaded.named_steps["classifier"].coef_, expected.coef_)


def test_equal_models_give_equal_bytes():
    assert dump_trusted(a_pipeline()) == dump_trusted(a_pipeline())


def test_a_type_off_our_list_is_neither_dumped_nor_loaded():
    raw = skops.io.dumps(SGDClassifier())
    with pytest.raises(ArtifactError, match=r"model\.skops: holds the type sklearn\..*SGDClass"):
        load_trusted(raw, "model.skops")
    with pytest.raises(ArtifactError, match="SGDClassifier"):
        dump_trusted(SGDClassifier())


@pytest.mark.parametrize(
    "instance", [FunctionTransformer(np.sum), CountVectorizer(), np.int8, {1: json.dumps}]
)
def test_functions_and_types_skops_itself_trusts_are_refused(instance):
    wrapped = Pipeline([("vectoriser", TfidfVectorizer(preprocessor=instance))])
    with pytest.raises(ArtifactError, match="which is not trusted"):
        load_trusted(skops.io.dumps(wrapped), "model.skops")


def test_a_compressed_entry_is_refused():
    raw = skops.io.dumps(a_pipeline(), compression=ZIP_DEFLATED)
    with pytest.raises(ArtifactError, match="is compressed or encrypted"):
        load_trusted(raw, "model.skops")


def test_an_entry_outside_the_schema_is_never_read():
    target = io.BytesIO(dump_trusted(a_pipeline()))
    with ZipFile(target, "a") as archive:
        archive.writestr("../../evil.py", "raise SystemExit")
    with pytest.raises(ArtifactError, match=r"evil.py"):
        load_trusted(target.getvalue(), "model.skops")


@pytest.mark.parametrize("raw", [b"", b"PK", b"\x80\x04.", b"{}"])
def test_bytes_that_are_no_skops_file_are_refused(raw):
    with pytest.raises(ArtifactError, match=r"model.skops: not a skops file of ours"):
        load_trusted(raw, "model.skops")


@given(position=st.integers(0), replacement=st.binary(min_size=1, max_size=8))
def test_a_damaged_file_is_refused_or_harmless(position, replacement):
    raw = bytearray(INTACT)
    start = position % len(raw)
    raw[start : start + len(replacement)] = replacement
    try:
        load_trusted(bytes(raw), "model.skops")
    except ArtifactError:
        return


INTACT = dump_trusted(a_pipeline())
