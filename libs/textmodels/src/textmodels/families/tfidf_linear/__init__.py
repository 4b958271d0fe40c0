"""TF-IDF and logistic regression, a scikit-learn Pipeline, served as one.

`training` fits, `predictor` scores, `files` saves and loads. Each imports scikit-learn, so each is
imported only when it is called for.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textmodels.families.contract import Fitted, Training
from textmodels.manifests import Manifest

if TYPE_CHECKING:
    from textmodels.families.tfidf_linear.predictor import TfidfPredictor

FILE_NAMES = frozenset({"model.skops", "vocabulary.json"})


def fit(training: Training, params: Mapping[str, Any]) -> Fitted:
    """Fit the vectoriser, then the classifier, on the training texts alone."""
    from textmodels.families.tfidf_linear.training import fit_pipeline  # noqa: PLC0415 - the engine

    return fit_pipeline(training, params)


def pack(predictor: "TfidfPredictor") -> Mapping[str, bytes]:
    """Return the Pipeline as skops, and its vocabulary as JSON."""
    from textmodels.families.tfidf_linear.files import pack_pipeline  # noqa: PLC0415 - the engine

    return pack_pipeline(predictor)


def unpack(files: Mapping[str, bytes], manifest: Manifest) -> "TfidfPredictor":
    """Return the predictor; ArtifactError when a file holds anything we did not put there."""
    from textmodels.families.tfidf_linear.files import unpack_pipeline  # noqa: PLC0415 - the engine

    return unpack_pipeline(files, manifest)
