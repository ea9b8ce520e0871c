from datetime import date, timedelta

import pytest

from pipelines.config.model import Label, Model, Task
from pipelines.config.params import RunParams, Span
from pipelines.quality.window import (
    DayLabels,
    Window,
    check_classes,
    check_coverage,
    check_duplicates,
    check_freshness,
    check_gap,
    check_label_values,
    check_missing,
    check_order,
    check_rows,
    check_test_rows,
    check_types,
    check_window,
    days_between,
)

from .conftest import MODEL

FIRST, AS_OF = date(2013, 3, 1), date(2013, 3, 30)
SPAN = Span(
    as_of=AS_OF,
    first=FIRST,
    train_start=date(2013, 3, 5),
    train_end=date(2013, 3, 22),
    validation_start=date(2013, 3, 20),
    test_start=date(2013, 3, 23),
    test_end=date(2013, 3, 29),
    min_rows=1000,
)
ALL = days_between(FIRST, AS_OF)


def labels(day=FIRST, rows=100, labelled=95, illegal=0, values=((0.0, 60), (1.0, 35))):
    return DayLabels(day, rows, labelled, illegal, dict(values))


def without(*numbers):
    return [day for number, day in enumerate(ALL) if number not in numbers]


@pytest.mark.parametrize(
    ("present", "longest", "start"),
    [
        (ALL, 0, ""),
        (without(4, 5, 6), 3, "2013-03-05"),
        (without(4, 5, 6, 10, 11, 12, 13), 4, "2013-03-11"),
        (without(0, 1), 2, "2013-03-01"),
        (without(28, 29), 2, "2013-03-29"),
        ([], 30, "2013-03-01"),
    ],
)
def test_the_longest_gap_is_found_wherever_it_is(present, longest, start):
    found = check_gap("trips", present, SPAN, 3)
    assert (found.observed, found.passed) == (longest, longest <= 3)
    assert start in found.sentence


def test_the_share_of_missing_days():
    found = check_missing("trips", without(*range(7)), SPAN, 0.2)
    assert (found.passed, found.observed) == (False, 0.2333)
    assert found.sentence == "trips: 7 of 30 days are missing (23.3%; at most 20%)."
    assert check_missing("trips", [*without(1), date(2012, 1, 1)], SPAN, 0.2).observed == 0.0333


@pytest.mark.parametrize(("age", "passed"), [(0, True), (3, True), (4, False)])
def test_freshness_counts_back_from_as_of(age, passed):
    found = check_freshness(AS_OF - timedelta(days=age), AS_OF, 3)
    assert (found.passed, found.observed, found.bound) == (passed, age, 3)


def test_no_events_at_all_are_not_fresh():
    assert not check_freshness(None, AS_OF, 3).passed


def test_too_few_rows_say_how_many_of_which_minimum_and_what_was_quarantined():
    found = check_rows([labels()], 1000, [f"trips 2013-03-0{n}" for n in range(1, 6)])
    assert not found.passed
    assert found.sentence == (
        "95 labelled training rows of at least 1000; "
        "quarantined: trips 2013-03-01, trips 2013-03-02, trips 2013-03-03 and 2 more."
    )
    assert check_rows([labels()], 95, []).passed


def test_there_must_be_something_to_judge_on():
    assert check_test_rows([labels()], SPAN).passed
    assert not check_test_rows([labels(labelled=0)], SPAN).passed
    assert not check_test_rows([], SPAN).passed


@pytest.mark.parametrize(
    ("changes", "passed"),
    [
        ({}, True),
        ({"test_start": date(2013, 3, 22)}, False),
        ({"train_end": date(2013, 3, 25)}, False),
        ({"validation_start": date(2013, 3, 24)}, False),
        ({"test_end": date(2013, 3, 31)}, False),
        ({"train_start": date(2013, 2, 1)}, False),
    ],
)
def test_training_and_test_days_never_overlap(changes, passed):
    assert check_order(SPAN.model_copy(update=changes), ALL).passed is passed


def test_a_day_listed_twice_is_an_overlap():
    assert check_order(SPAN, [*ALL, ALL[3]]).sentence == "1 events days are listed twice."


@pytest.mark.parametrize(
    ("days", "kinds"),
    [
        ([labels()], 2),
        ([labels(values=[(0.0, 95)])], 1),
        ([labels(values=[(0.0, 95)]), labels(values=[(1.0, 1)])], 2),
        ([], 0),
    ],
)
def test_one_class_is_refused(days, kinds):
    found = check_classes("train", days)
    assert (found.observed, found.passed) == (kinds, kinds >= 2)


def test_labels_cover_enough_rows():
    assert check_coverage([labels()], 0.95).passed
    assert not check_coverage([labels(), labels(labelled=90)], 0.95).passed
    assert not check_coverage([], 0.5).passed


def test_illegal_labels_types_and_keys_are_told():
    assert (
        check_label_values([labels(illegal=2)], Task.BINARY, Label(expression="x")).sentence
        == "2 labels are not 0 or 1."
    )
    assert check_label_values([labels()], Task.REGRESSION, Label(expression="x")).passed
    assert (
        check_types(["trips.km: DOUBLE and INT32"]).sentence == "Columns change their kind: trips.km: DOUBLE and INT32."
    )
    assert check_duplicates(2, "id=1 (3 times)").sentence == "2 events repeat a key, such as id=1 (3 times)."


def test_the_whole_window():
    model = Model.model_validate(
        MODEL
        | {"window": {"train_days": 18, "test_days": 7, "validation_days": 3, "lookback_days": 2, "min_rows": 1000}}
    )
    params = RunParams.of("trips", model, AS_OF)
    assert params.span == SPAN
    good = Window({"trips": ALL}, ["places"], [], [labels(day) for day in ALL], 0, "", [])
    checks = check_window(params, good)
    assert all(check.passed for check in checks)
    assert len({check.name for check in checks}) == len(checks)
    empty = Window({}, [], [], [], 0, "", [])
    failed = {check.name for check in check_window(params, empty) if not check.passed}
    assert failed == {
        "training_rows", "test_rows", "freshness", "trips_gaps", "trips_missing", "places_present",
        "label_coverage", "train_classes", "test_classes",
    }  # fmt: skip
