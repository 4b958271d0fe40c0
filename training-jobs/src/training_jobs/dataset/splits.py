"""Cutting the main set into a training part and a test set that nothing else may touch."""

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from training_jobs.dataset.near_duplicates import near_duplicates
from training_jobs.dataset.rows import Rows
from training_jobs.dataset.specs import SplitRule
from training_jobs.refusals import JobRefused


@dataclass(frozen=True)
class Split:
    """Both parts; `near_duplicates_dropped` rows left the training part, never the test set."""

    train: Rows
    test: Rows
    near_duplicates_dropped: int


def split(rows: Rows, rule: SplitRule) -> Split:
    """Cut `rows`, whose texts are all different; JobRefused when there are too few."""
    try:
        train_at, test_at = train_test_split(
            np.arange(len(rows)),
            test_size=rule.test_share,
            random_state=rule.random_state,
            stratify=rows.labels if rule.stratified else None,
        )
    except ValueError as error:
        raise JobRefused(f"{len(rows)} rows cannot be split: {error}") from error
    train, test = rows.select(train_at), rows.select(test_at)
    near = set(near_duplicates(train.texts, test.texts, rule.near_duplicates))
    kept = train.select([i for i in range(len(train)) if i not in near])
    return Split(kept, test, len(near))
