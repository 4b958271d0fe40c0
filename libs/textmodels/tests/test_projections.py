import numpy as np
import pytest

from textmodels.projections import DenseProjection, SparseProjection


def project_rows(projection, rows):
    """Project dense rows through the sparse projection."""
    indices = [np.flatnonzero(row) for row in rows]
    indptr = np.cumsum([0, *map(len, indices)])
    values = np.concatenate([row[columns] for row, columns in zip(rows, indices, strict=True)])
    return projection.project(indptr, np.concatenate(indices), values)


def unit_rows(count, features):
    rows = np.random.default_rng(1).normal(size=(count, features))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


PROJECTIONS = {
    "sparse": lambda rows, seed: project_rows(SparseProjection(rows.shape[1], seed), rows),
    "dense": lambda rows, seed: DenseProjection(rows.shape[1], seed).project(rows),
}
every_projection = pytest.mark.parametrize("project", PROJECTIONS.values(), ids=PROJECTIONS)


@every_projection
def test_lengths_are_kept_on_average(project):
    projected = project(unit_rows(200, 1_000), 7).astype(np.float64)
    assert np.mean((projected**2).sum(axis=1)) == pytest.approx(1, abs=0.05)


@every_projection
def test_inner_products_are_kept_roughly(project):
    rows = unit_rows(2, 1_000)
    near = rows[0] + 0.1 * rows[1]
    projected = project(np.stack([rows[0], near / np.linalg.norm(near), rows[1]]), 7)
    projected = projected.astype(np.float64)
    assert projected[0] @ projected[1] > 0.8
    assert abs(projected[0] @ projected[2]) < 0.5


@every_projection
def test_the_seed_decides(project):
    rows = unit_rows(3, 50)
    assert np.array_equal(project(rows, 7), project(rows, 7))
    assert not np.array_equal(project(rows, 7), project(rows, 8))


@every_projection
def test_no_features_project_to_nothing(project):
    assert not project(np.zeros((2, 50), np.float32), 7).any()


def test_the_matrices_never_change():
    """A Reference made years ago must still be comparable."""
    sparse = project_rows(SparseProjection(3, 7), np.eye(3))
    dense = DenseProjection(3, 7).project(np.eye(3, dtype=np.float32))
    assert [np.flatnonzero(row).tolist() for row in sparse] == GOLDEN_COLUMNS
    assert sparse[sparse != 0].tolist() == GOLDEN_SIGNS
    assert [int((row > 0).sum()) for row in dense] == GOLDEN_POSITIVES
    assert set(np.abs(dense).ravel().tolist()) == {0.125}


GOLDEN_COLUMNS = [[11, 26, 37, 49], [5, 26, 38, 63], [2, 25, 42, 52]]
GOLDEN_SIGNS = [0.5, -0.5, 0.5, 0.5, 0.5, -0.5, -0.5, 0.5, -0.5, 0.5, -0.5, 0.5]
GOLDEN_POSITIVES = [27, 38, 32]
