"""The data checks of dataset.yaml, each seen passing on good rows and failing on bad ones."""

import re

import pytest

from lifecycle.datasets import row_id
from training_jobs.adapters.packages import Sources
from training_jobs.dataset.prepare import prepare
from training_jobs.dataset.prepared import find_by_test_set, read_lock, read_set
from training_jobs.dataset.specs import load_spec
from training_jobs.progress import tell
from training_jobs.refusals import JobRefused


@pytest.fixture
def prepare_project(project, home):
    def run():
        spec = load_spec(project)
        sources = Sources(project, home / "cache", tell)
        return prepare(spec, home / "data", sources.read, tell)

    return run


def failed(preparation):
    return [check for check in preparation.checks if check.outcome == "FAIL"]


def only_failure(preparation):
    (check,) = failed(preparation)
    assert preparation.lock is None
    assert not preparation.directory.exists()
    return check


def test_good_rows_are_split_and_locked(prepare_project):
    prepared = prepare_project()

    assert not failed(prepared)
    rows = {name: held["rows"] for name, held in prepared.lock.sets.items()}
    assert rows == {"train": 160, "test": 40, "books": 20}
    assert prepared.lock.counts["distinct"] == 200
    assert sum(prepared.lock.slices[name] for name in ("short", "medium", "long")) == 40


def test_the_same_rows_are_split_alike_every_time(prepare_project, tmp_path, project):
    first = prepare_project()
    again = prepare(
        load_spec(project), tmp_path / "elsewhere", Sources(project, tmp_path, tell).read, tell
    )

    assert again.lock == first.lock


def test_what_was_prepared_is_read_back_by_the_digest_of_its_test_set(prepare_project, home):
    lock = prepare_project().lock
    directory, found = find_by_test_set(home / "data", lock.test_set_digest)
    rows = read_set(directory, found, "test")

    assert found == lock
    assert rows.digest == lock.test_set_digest
    assert rows.ids[0] == row_id(rows.texts[0])


def test_a_test_set_that_was_never_prepared_is_refused(home):
    with pytest.raises(JobRefused, match="run check-data"):
        find_by_test_set(home / "data", "sha256:" + "0" * 64)


def test_both_kinds_of_columns_and_labels_are_read_alike(
    prepare_project, write_reviews, two_hundred_reviews
):
    named = prepare_project().lock
    index = {"negative": "0", "positive": "1"}
    write_reviews([(text, index[name]) for text, name in two_hundred_reviews], ("text", "label"))

    assert prepare_project().lock.dataset_digest == named.dataset_digest


def test_too_few_rows_fail(prepare_project, write_reviews, two_hundred_reviews):
    write_reviews(two_hundred_reviews[:50])
    check = only_failure(prepare_project())

    assert check.name == "min_rows"
    assert "50 rows with a text, at least 100" in check.text


def test_texts_that_are_missing_fail_over_their_limit_and_are_shown_by_row(
    prepare_project, write_reviews, two_hundred_reviews
):
    rows = [*two_hundred_reviews, ("", "positive"), ("", "negative"), ("", "negative")]
    write_reviews(rows)
    check = only_failure(prepare_project())

    assert check.name == "max_null_text_pct"
    assert check.rows[0] == "row 201 of films (no text)"


def test_texts_that_are_missing_within_their_limit_are_left_out(
    prepare_project, write_reviews, two_hundred_reviews
):
    write_reviews([("", "positive"), *two_hundred_reviews])

    assert prepare_project().lock.counts["without_text"] == 1


def test_a_text_that_reads_none_is_a_text(prepare_project, write_reviews, two_hundred_reviews):
    write_reviews([("None", "negative"), ("NA", "positive"), *two_hundred_reviews])

    assert prepare_project().lock.counts["without_text"] == 0


@pytest.mark.parametrize("label", ["neutral", "2", ""])
def test_an_unknown_label_fails_and_shows_the_row_but_never_the_text(
    prepare_project, write_reviews, two_hundred_reviews, label
):
    write_reviews([*two_hundred_reviews, ("a secret opinion", label)])
    check = only_failure(prepare_project())

    assert check.name == "label of main"
    assert check.rows == (f"row 201 of films (sha256 {row_id('a secret opinion')[:12]})",)
    assert "secret" not in check.text


def test_repeated_texts_fail_over_their_limit(prepare_project, write_reviews, two_hundred_reviews):
    write_reviews([*two_hundred_reviews, *two_hundred_reviews[:20]])

    assert only_failure(prepare_project()).name == "max_duplicate_pct"


def test_repeated_texts_within_their_limit_are_dropped_the_first_one_kept(
    prepare_project, write_reviews, two_hundred_reviews
):
    before = prepare_project().lock
    write_reviews([*two_hundred_reviews, two_hundred_reviews[7]])
    after = prepare_project().lock

    assert after.counts["identical_dropped"] == 1
    assert after.dataset_digest == before.dataset_digest


def test_one_text_with_two_labels_fails(prepare_project, write_reviews, two_hundred_reviews):
    text, label = two_hundred_reviews[0]
    assert label == "positive"
    write_reviews([*two_hundred_reviews, (text, "negative")])
    check = only_failure(prepare_project())

    assert check.name == "max_conflicting_labels"
    assert len(check.rows) == 2


def test_a_label_that_is_too_rare_fails(prepare_project, write_reviews, two_hundred_reviews):
    rare = [r for r in two_hundred_reviews if r[1] == "negative"][:25]
    write_reviews([*rare, *(r for r in two_hundred_reviews if r[1] == "positive")])
    check = only_failure(prepare_project())

    assert check.name == "min_label_pct"
    assert check.text.startswith("negative is 20.0 %")


def test_a_text_too_long_to_be_served_fails(prepare_project, write_reviews, two_hundred_reviews):
    write_reviews([*two_hundred_reviews, ("x" * 20_001, "negative")])

    assert only_failure(prepare_project()).name == "max_text_characters of main"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"review,sentiment\n", "has no rows"),
        (
            b"opinion,sentiment\nfine,positive\n",
            "no column text or review; its columns are opinion",
        ),
        (b"review,verdict\nfine,positive\n", "no column label or sentiment"),
        (b"review,sentiment\na,positive\ncaf\xe9,positive\n", "not UTF-8: line 3 has byte 0xe9"),
        (b"review,sentiment\na,positive\na,b,c,positive\n", "is not a table.*line 3"),
    ],
    ids=["empty", "only a header", "no text", "no label", "encoding", "ragged"],
)
def test_a_file_that_is_no_table_of_reviews_fails(prepare_project, project, content, reason):
    (project / "reviews.csv").write_bytes(content)
    check = only_failure(prepare_project())

    assert check.name == "readable"
    assert re.search(reason, check.text)


def test_a_file_that_is_missing_is_refused(prepare_project, project):
    (project / "reviews.csv").unlink()

    with pytest.raises(JobRefused, match=r"reviews\.csv cannot be read"):
        prepare_project()


def test_near_duplicates_of_test_rows_leave_the_training_part_only(
    prepare_project, write_reviews, two_hundred_reviews, home, change_dataset
):
    lock = prepare_project().lock
    directory, _ = find_by_test_set(home / "data", lock.test_set_digest)
    tested = read_set(directory, lock, "test")
    longest = max(tested.texts, key=len)
    label = lock.labels[tested.labels[tested.texts.index(longest)]]
    # As many rows as it takes for one to fall into the training part.
    copies = [(f"{longest} again{i}", label) for i in range(10)]
    write_reviews([*two_hundred_reviews, *copies])
    change_dataset(version="1.1.0")
    changed = prepare_project().lock

    assert changed.counts["near_duplicates_dropped"] > 0
    assert changed.sets["test"]["rows"] == 42
    total = changed.sets["train"]["rows"] + changed.counts["near_duplicates_dropped"]
    assert total == changed.counts["train_before_near_duplicates"] == 168


def test_what_an_older_release_prepared_is_prepared_again(prepare_project):
    prepared = prepare_project()
    path = prepared.directory / "dataset.lock.json"
    before = path.read_text()
    path.write_text(before.replace('"isogloss.dataset/v2"', '"something older"'))

    assert read_lock(prepared.directory) is None
    assert prepare_project().lock == prepared.lock
    assert path.read_text() == before


def test_other_rows_under_a_locked_version_are_refused(
    prepare_project, write_reviews, two_hundred_reviews
):
    directory = prepare_project().directory
    held = read_lock(directory)
    write_reviews(two_hundred_reviews[:-2])

    with pytest.raises(JobRefused, match="raise the version"):
        prepare_project()
    assert read_lock(directory) == held


def test_other_rows_than_the_pinned_ones_fail(prepare_project, change_dataset):
    change_dataset("split", digest="sha256:" + "0" * 64)
    check = only_failure(prepare_project())

    assert check.name == "pin of test"
    assert "need a new version" in check.text


def test_rows_that_keep_to_their_pin_pass(prepare_project, change_dataset):
    pin = prepare_project().lock.test_set_digest
    change_dataset("split", digest=pin)

    assert prepare_project().lock.test_set_digest == pin


def test_prepared_rows_that_were_changed_are_refused(prepare_project):
    prepared = prepare_project()
    books = (prepared.directory / "books.parquet").read_bytes()
    (prepared.directory / "test.parquet").write_bytes(books)

    with pytest.raises(JobRefused, match="it was changed"):
        read_set(prepared.directory, prepared.lock, "test")


def test_other_length_slices_than_the_services_are_refused(prepare_project, change_dataset):
    change_dataset("slices", short_max_words=100)

    with pytest.raises(JobRefused, match="write its thresholds"):
        prepare_project()


@pytest.mark.parametrize("source", ["short", "books"])
def test_a_source_named_like_another_slice_is_refused(
    prepare_project, write_reviews, two_hundred_reviews, source
):
    write_reviews([(*row, source) for row in two_hundred_reviews], ("text", "label", "source"))

    with pytest.raises(JobRefused, match=f"'{source}' is both"):
        prepare_project()


def test_rows_without_a_source_are_given_their_files(
    prepare_project, write_reviews, two_hundred_reviews
):
    half = [(*row, "cinema" if i % 2 else "") for i, row in enumerate(two_hundred_reviews)]
    write_reviews(half, ("text", "label", "source"))
    lock = prepare_project().lock

    assert lock.slices["cinema"] + lock.slices["films"] == 40
