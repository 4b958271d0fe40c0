import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_monitor.batches import BatchRefused, read_batch


def test_a_batch_is_read_column_by_column(traffic, batch_of):
    document = traffic().document(3, outcome=["ok", "error", "ok"], slices=[{"k": "v"}, {}, {}])
    document["columns"]["label"][1] = -1
    document["columns"]["scores"][1] = []

    batch = batch_of(document)

    assert batch.rows == 3
    assert batch.answered.tolist() == [True, False, True]
    assert batch.confidence[0] == pytest.approx(max(document["columns"]["scores"][0]))
    assert batch.confidence[1] == 0
    assert batch.projection.shape == (3, 64)
    assert batch.slices[0] == {"k": "v"}


def broken(**changes):
    return pytest.param(changes, id=next(iter(changes)))


@pytest.mark.parametrize(
    "changes",
    [
        broken(request_id=["a"]),
        broken(time=[1.0, float("nan")]),
        broken(outcome=["ok", "fine"]),
        broken(label=[0, 2]),
        broken(label=[0, -1]),
        broken(scores=[[0.5, 0.5], "high"]),
        broken(scores=[[0.5, 0.5], [float("inf")]]),
        broken(words=["many", 3]),
        broken(oov=None),
        broken(non_letter=[[0.1], [0.2]]),
        broken(projection=b"short"),
        broken(projection=np.full((2, 64), np.nan, dtype="<f2").tobytes()),
        broken(fingerprint=["x" * 300, "y"]),
        broken(slices=[{"k": 1}, {}]),
        broken(slices=[{str(i): "v" for i in range(20)}, {}]),
    ],
)
def test_a_column_that_breaks_the_contract_is_named(traffic, packed, changes):
    with pytest.raises(BatchRefused, match=next(iter(changes))):
        read_batch(packed(traffic().document(2, **changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"batch_id": ""},
        {"version": "v1"},
        {"rows": 501},
        {"labels": "both"},
        {"columns": []},
        {"model": None},
    ],
    ids=str,
)
def test_a_head_that_breaks_the_contract_is_refused(traffic, packed, changes):
    with pytest.raises(BatchRefused):
        read_batch(packed(traffic().document(2) | changes))


@pytest.mark.parametrize("where", ["head", "slices"])
def test_arrays_nested_without_end_are_refused(traffic, packed, where):
    document, deep = traffic().document(2), b"\x91" * 100_000 + b"\x01"
    target = document if where == "head" else document["columns"]
    target["more" if where == "head" else "slices"] = "HERE"
    with pytest.raises(BatchRefused):
        read_batch(packed(document).replace(packed("HERE"), deep))


@given(body=st.binary(max_size=200))
def test_bytes_that_are_no_batch_are_refused_not_crashed_on(body):
    with pytest.raises(BatchRefused):
        read_batch(body)


@given(value=st.recursive(st.none() | st.integers(-9, 9) | st.text(max_size=3), st.lists))
def test_any_value_in_any_column_is_read_or_refused(traffic, value):
    document = traffic().document(2)
    for column in document["columns"]:
        changed = document | {"columns": document["columns"] | {column: value}}
        try:
            read_batch(msgpack.packb(changed))
        except BatchRefused:
            continue
