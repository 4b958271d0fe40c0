"""A prepared data set as Croissant 1.1 (MLCommons), so that other tools can read what it is.

Every file by its sha256, every set as a record set with its columns. The digests by which the
platform knows the data are its own and stand beside them under our namespace.
"""

import hashlib
from pathlib import Path
from typing import Any

from training_jobs.dataset.prepared import Lock
from training_jobs.dataset.specs import DatasetSpec

CROISSANT_NAME = "croissant.json"
_CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
_COLUMNS = {
    "row_id": "sha256 of the text, 64 hex digits",
    "text": "the text",
    "label": "the label's name; null in a set without labels",
    "source": "where the row comes from",
}


def to_croissant(spec: DatasetSpec, lock: Lock, directory: Path) -> dict[str, Any]:
    """Return the description of what lies prepared in `directory`, as JSON-LD."""
    return {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS_TO,
        "name": lock.name,
        "version": lock.version,
        "description": spec.description,
        "license": lock.license,
        "inLanguage": lock.language,
        "isogloss:task": lock.task,
        "isogloss:datasetDigest": lock.dataset_digest,
        "isogloss:testSetDigest": lock.test_set_digest,
        "distribution": [_file(directory / f"{name}.parquet") for name in lock.sets],
        "recordSet": [_records(name) for name in lock.sets],
    }


def _file(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "contentSize": f"{len(content)} B",
        "encodingFormat": "application/x-parquet",
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _records(name: str) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "key": {"@id": f"{name}/row_id"},
        "field": [_field(name, column, said) for column, said in _COLUMNS.items()],
    }


def _field(name: str, column: str, said: str) -> dict[str, Any]:
    source = {"fileObject": {"@id": f"{name}.parquet"}, "extract": {"column": column}}
    return {
        "@type": "cr:Field",
        "@id": f"{name}/{column}",
        "name": column,
        "description": said,
        "dataType": "sc:Text",
        "source": source,
    }


def _context() -> dict[str, Any]:
    """Return the JSON-LD context that the specification gives, with our own namespace."""
    in_croissant = (
        *("column", "extract", "fileObject", "fileProperty", "fileSet", "field", "format"),
        *("includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "recordSet"),
        *(
            "equivalentProperty",
            "path",
            "samplingRate",
            "references",
            "regex",
            "repeated",
            "replace",
            "separator",
            "source",
            "subField",
        ),
        *("transform", "citeAs"),
    )
    return {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        "isogloss": "urn:isogloss:",
        "conformsTo": "dct:conformsTo",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        **{name: f"cr:{name}" for name in in_croissant},
    }
