"""TF-IDF and logistic regression: fitted by scikit-learn, served from a compiled form of it.

`training` fits; `compiling` turns the Pipeline into `tables` and proves that they answer alike;
`compiled_predictor` scores with those in C or, where nothing compiled it, in Python. A Pipeline
that has no compiled form is served as it is: `predictor` scores it, `files` saves and loads it.
What imports scikit-learn is imported only when it is called for.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textmodels.families.contract import Fitted, Training, engine_needed
from textmodels.families.tfidf_linear.compiled_predictor import CompiledPredictor
from textmodels.families.tfidf_linear.tables import TABLES_NAME, Tables
from textmodels.manifests import Manifest
from textmodels.predictions import Predictor

if TYPE_CHECKING:
    from textmodels.families.tfidf_linear.predictor import TfidfPredictor

FILE_NAMES = frozenset({"model.skops", "vocabulary.json"})
OPTIONAL_FILE_NAMES = frozenset({TABLES_NAME})
PRETRAINED_FILE_NAMES: frozenset[str] = frozenset()


def fit(training: Training, params: Mapping[str, Any]) -> Fitted:
    """Fit the vectoriser, then the classifier, on the training texts alone."""
    with engine_needed("scikit-learn"):
        from textmodels.families.tfidf_linear.training import fit_pipeline  # noqa: PLC0415

    return fit_pipeline(training, params)


def pack(predictor: "CompiledPredictor | TfidfPredictor") -> Mapping[str, bytes]:
    """Return the Pipeline as skops, its vocabulary as JSON, and the compiled form if it has one."""
    if isinstance(predictor, CompiledPredictor):
        return predictor.pack()
    from textmodels.families.tfidf_linear.files import pack_pipeline  # noqa: PLC0415 - the engine

    return pack_pipeline(predictor)


def unpack(files: Mapping[str, bytes], manifest: Manifest) -> Predictor:
    """Return the predictor of the compiled form, else that of the Pipeline.

    Raises ArtifactError when a file that is read holds anything we did not put there,
    EngineMissing when only scikit-learn could score it and it is not installed.
    """
    if TABLES_NAME in files:
        source = {name: files[name] for name in FILE_NAMES}
        raw, seed = files[TABLES_NAME], manifest.projection_seed
        tables = Tables.from_bytes(raw, len(manifest.labels), seed)
        return CompiledPredictor(tables, manifest.labels, source)
    with engine_needed("scikit-learn"):
        from textmodels.families.tfidf_linear.files import unpack_pipeline  # noqa: PLC0415

    return unpack_pipeline(files, manifest)
