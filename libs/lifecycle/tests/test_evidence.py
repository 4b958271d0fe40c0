import json
from dataclasses import replace

import pytest

from lifecycle.evidence import (
    Evidence,
    EvidenceKind,
    EvidenceRefused,
    Measurement,
    Subjects,
    evidence_from_document,
    refuse_unfit,
)

SUBJECTS = Subjects(
    model="sha256:" + "a" * 64,
    baseline="none",
    dataset="sha256:" + "d" * 64,
    prompt="none",
    policy="sha256:" + "e" * 64,
    image="none",
)
EVIDENCE = Evidence(
    kind=EvidenceKind.OFFLINE,
    model="sentiment",
    subjects=SUBJECTS,
    measurements=(
        Measurement("cells", "long", 3, {"labels": ["no", "yes"], "cells": []}, "http", 1.0, 2.0),
    ),
    producer="gate",
    produced_at=10.0,
    expires_at=100.0,
    details={},
)


def test_evidence_survives_the_wire():
    read = evidence_from_document(json.loads(EVIDENCE.to_bytes()))

    assert read.to_bytes() == EVIDENCE.to_bytes()
    assert read.measurement("cells", "long").n == 3
    assert read.measurement("cells", "short") is None


@pytest.mark.parametrize("field", ["kind", "subjects", "measurements", "expires_at"])
def test_a_payload_without_a_field_is_refused_by_its_name(field):
    document = json.loads(EVIDENCE.to_bytes())
    del document[field]

    with pytest.raises(EvidenceRefused, match=field):
        evidence_from_document(document)


def test_evidence_for_these_very_bytes_is_accepted():
    refuse_unfit(EVIDENCE, SUBJECTS, role="gate", now=50.0)


@pytest.mark.parametrize("name", ["model", "baseline", "dataset", "prompt", "policy", "image"])
def test_evidence_about_anything_else_is_refused_by_the_subjects_name(name):
    other = replace(SUBJECTS, **{name: "sha256:" + "0" * 64})

    with pytest.raises(EvidenceRefused, match=f"measured with {name}"):
        refuse_unfit(EVIDENCE, other, role="gate", now=50.0)


def test_evidence_expires():
    with pytest.raises(EvidenceRefused, match="expired"):
        refuse_unfit(EVIDENCE, SUBJECTS, role="gate", now=100.0)


def test_a_key_may_only_sign_its_own_kind():
    with pytest.raises(EvidenceRefused, match="must be signed by gate, not by drift-monitor"):
        refuse_unfit(EVIDENCE, SUBJECTS, role="drift-monitor", now=50.0)
