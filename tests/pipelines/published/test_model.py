"""What is published, as whoever loads it through MLflow meets it: the product's scores, or a refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost
from feature_tables import signature
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.engines import example
from pipelines.engines.columns import Columns
from pipelines.engines.matrix import predict
from pipelines.published import ask, build, rows
from pipelines.registry import _QUIET
from pipelines.storage import model_file
from pipelines.storage.model_file import Feature, Signature

FEATURES = (
    Feature(name="speed", kind="number", type="float", missing=True),
    Feature(name="a<b [x], é", kind="number", type="float", missing=False),
    Feature(name="place", kind="category", type="text", missing=True),
    Feature(name="shop", kind="category", type="text", missing=False),
    Feature(name="count", kind="number", type="integer", missing=False),
    Feature(name="seen", kind="number", type="integer", missing=True),
    Feature(name="open", kind="number", type="boolean", missing=False),
)
VOCABULARIES = {"place": ("(unknown)", "east", "No", "Ünï"), "shop": ("(unknown)", "", "1", "None")}
TYPES = ("double", "double", "string", "string", "long", "double", "double")
THRESHOLDS = {"profit": 0.3, "safety": 0.7}
OBJECTIVES = {
    "binary": {"objective": "binary:logistic"},
    "multiclass": {"objective": "multi:softprob", "num_class": 3},
    "regression": {"objective": "reg:squarederror"},
}


class Pair:
    """A model as the product has it, and as MLflow loaded what is published of it."""

    def __init__(self, folder: Path, task: str) -> None:
        import warnings

        import mlflow

        self.folder, self.task = folder, task
        classes = ("No", "12:30", "é") if task == "multiclass" else ()
        bare = signature(features=FEATURES, vocabularies=VOCABULARIES, task=task, classes=classes)
        drawn = np.random.default_rng(3)
        table = pa.table(
            {
                item.name: pa.array(drawn.choice(VOCABULARIES[item.name][1:], 400))
                if item.kind == "category"
                else pa.array(drawn.integers(0, 2 if item.type == "boolean" else 50, 400).astype(np.float32))
                for item in FEATURES
            }
        )
        block = Columns.of(bare).block(table.to_batches()[0])
        block[::7, 0] = model_file.NULL_NUMBER
        label = (block[:, 1] + 20 * block[:, 2] + block[:, 4] + 9 * block[:, 6]) % 90
        label = {"binary": label > 45, "multiclass": label // 30, "regression": label}[task]
        data = xgboost.DMatrix(
            block,
            label=label,
            feature_names=[item.name.translate(str.maketrans("<[]", "---")) for item in FEATURES],
            feature_types=list(bare.types),
            enable_categorical=True,
        )
        self.booster = xgboost.train(OBJECTIVES[task] | {"seed": 1}, data, 12)
        sha = model_file.save(folder / "release.json", self.booster)
        made = example.make(self.booster, bare, table.slice(0, 8).to_batches()[0])
        self.said: Signature = bare.model_copy(update={"model_sha256": sha, "example": made})
        (folder / "made").mkdir()
        self.made = build.build(
            folder / "made", folder / "release.json", self.said, THRESHOLDS if task == "binary" else {}
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mlflow.pyfunc.save_model(folder / "saved", **ask.arguments(folder / "made"))
        self.model = mlflow.pyfunc.load_model(str(folder / "saved"))
        self.scoring = json.loads((folder / "made" / "scoring.json").read_bytes())

    def product(self, table: pa.Table) -> Any:
        return predict(self.booster, self.said, table.to_batches())

    def scores(self, frame: pd.DataFrame) -> Any:
        return ask.scores(self.model.predict(frame), self.scoring)


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _QUIET.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(tmp_path_factory.mktemp("binary"), "binary")


@pytest.fixture(scope="module", params=OBJECTIVES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(tmp_path_factory.mktemp(request.param), request.param)


def frame(pair: Pair, **changes: Any) -> pd.DataFrame:
    """The example's rows, with columns changed; None takes one away."""
    found = ask.example(
        pair.scoring, [{"name": item.name, "type": said} for item, said in zip(FEATURES, TYPES, strict=True)]
    )
    for name, value in changes.items():
        if value is None:
            del found[name]
        else:
            found[name] = value
    return found


def test_mlflow_is_told_true_types_and_what_may_be_missing(binary: Pair) -> None:
    found = binary.model.metadata.get_input_schema()
    assert [item.name for item in found.inputs] == [item.name for item in FEATURES]
    assert tuple(item.type.name for item in found.inputs) == TYPES
    assert [item.required for item in found.inputs] == [not item.missing for item in FEATURES]


def test_nothing_is_pickled_and_only_pinned_packages_are_needed(binary: Pair) -> None:
    names = {path.relative_to(binary.folder / "saved").as_posix() for path in (binary.folder / "saved").rglob("*.*")}
    assert not any(name.endswith(("pkl", "pickle", "joblib")) for name in names)
    assert {"model.py", "artifacts/model.json", "artifacts/scoring.json"} <= names
    needs = (binary.folder / "saved" / "requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in needs] == list(build.NEEDS)
    assert all(line.partition("==")[2] for line in needs)
    assert "pipelines" not in build.SOURCE.read_text()


def test_the_same_model_is_published_as_the_same_bytes(binary: Pair, tmp_path: Path) -> None:
    again = build.build(tmp_path, binary.folder / "release.json", binary.said, THRESHOLDS)
    assert (again.files, again.sha256) == (binary.made.files, binary.made.sha256)
    other = build.build(tmp_path, binary.folder / "release.json", binary.said, {"profit": 0.31})
    assert other.sha256 != binary.made.sha256


def test_the_recorded_example_and_hard_rows_score_as_in_the_product(pair: Pair) -> None:
    assert ask.differing(pair.model, pair.scoring) == 0
    table = rows.hard(example.table(pair.said), pair.said, 3_000)
    assert table["place"].null_count > 100
    assert table["seen"].null_count > 100
    assert np.array_equal(pair.scores(table.to_pandas()), pair.product(table))


def test_outputs_are_the_scores_and_for_each_threshold_whether_it_is_reached(pair: Pair) -> None:
    found = pair.model.predict(frame(pair).set_index(np.arange(8) + 5))
    wanted = {
        "binary": ["score", "positive_profit", "positive_safety"],
        "multiclass": ["score_No", "score_12:30", "score_é"],
        "regression": ["score"],
    }[pair.task]
    assert list(found.columns) == wanted
    assert list(found.index) == list(range(5, 13))
    told = [(item.name, item.type.name) for item in pair.model.metadata.get_output_schema().inputs]
    kinds = {"float32": "float", "bool": "boolean"}
    assert told == [(name, kinds[str(found[name].dtype)]) for name in wanted]
    if pair.task == "binary":
        assert list(found["positive_profit"]) == [value >= np.float32(0.3) for value in found["score"]]
    assert len(pair.model.predict(frame(pair).head(0))) == 0


numbers = st.one_of(st.none(), st.floats(-3.4e38, 3.4e38), st.sampled_from(rows.NUMBERS))
texts = st.one_of(st.none(), st.text(max_size=5), st.sampled_from(["east", "No", "Ünï", "", "1", "None", "(unknown)"]))
raw = st.fixed_dictionaries(
    {
        "speed": numbers,
        "a<b [x], é": numbers,
        "place": texts,
        "shop": texts,
        "count": st.integers(-(2**63), 2**63 - 1),
        "seen": st.one_of(st.none(), st.integers(-(2**53), 2**53)),
        "open": st.one_of(st.none(), st.booleans()),
    }
)


@settings(max_examples=60)
@given(st.lists(raw, min_size=1, max_size=8))
def test_whatever_the_values_the_scores_are_the_products(binary: Pair, drawn: list[dict[str, Any]]) -> None:
    kinds = {"double": pa.float64(), "string": pa.string(), "long": pa.int64()}
    asked = pa.table(
        {
            item.name: pa.array(
                [float(row[item.name]) if isinstance(row[item.name], bool) else row[item.name] for row in drawn],
                kinds[said],
            )
            for item, said in zip(FEATURES, TYPES, strict=True)
        }
    )
    assert np.array_equal(binary.scores(asked.to_pandas()), binary.product(asked))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("count", "int8"),
        ("count", "uint32"),
        ("count", "Int64"),
        ("speed", "float32"),
        ("speed", "Float64"),
        ("seen", "int32"),
        ("open", "int8"),
        ("place", "str"),
        ("place", "object"),
        ("place", "string"),
    ],
)
def test_another_width_of_a_type_makes_no_other_score(binary: Pair, name: str, dtype: str) -> None:
    asked = frame(binary)
    asked["speed"] = np.arange(8.0)
    assert np.array_equal(binary.scores(asked.astype({name: dtype})), binary.scores(asked))


def test_columns_may_come_in_any_order_and_beside_others(binary: Pair) -> None:
    asked = frame(binary)
    assert np.array_equal(binary.scores(asked[asked.columns[::-1]].assign(other="x")), binary.scores(asked))


def test_an_input_that_may_be_missing_scores_as_nulls_where_it_is_not_there(binary: Pair) -> None:
    gone = binary.scores(frame(binary, speed=None, place=None, seen=None))
    assert np.array_equal(gone, binary.scores(frame(binary, speed=np.nan, place=[None] * 8, seen=np.nan)))
    nulls = frame(binary, speed=np.nan, seen=np.nan).assign(place="never seen")
    assert np.array_equal(gone, binary.scores(nulls))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"shop": None}, "missing inputs .*shop"),
        ({"count": None}, "missing inputs .*count"),
        ({"open": None}, "missing inputs .*open"),
        ({"speed": "fast"}, "column speed"),
        ({"count": 2.5}, "column count"),
        ({"count": [None, *range(7)]}, "column count"),
        ({"seen": 2.5}, "'seen' holds 2.5; it is integer"),
        ({"open": 0.5}, "'open' holds 0.5; it is true or false"),
        ({"open": 2}, "'open'|column open"),
        ({"speed": np.inf}, "infinite"),
        ({"speed": -1e300}, "'speed' holds -1e[+]300, which is infinite in 32 bits"),
        ({"place": 7}, "column place"),
        ({"place": [None, "east", 7, *["east"] * 5]}, "'place' holds 7; it is text"),
        ({"place": [["east"]] * 8}, "'place' holds .*; it is text"),
    ],
)
def test_what_a_feature_cannot_be_is_refused_and_makes_no_score(
    binary: Pair, changes: dict[str, Any], told: str
) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=told) as caught:
        binary.model.predict(frame(binary, **changes))
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"shop": None}, "'shop' is not there"),
        ({"speed": "fast"}, "'speed' is of type str; it is a number"),
        ({"count": 2.5}, "'count' holds 2.5; it is integer"),
    ],
)
def test_the_model_itself_refuses_them_without_mlflows_schema(binary: Pair, changes: dict[str, Any], told: str) -> None:
    from mlflow.exceptions import MlflowException

    scorer = binary.model.unwrap_python_model()
    with pytest.raises(MlflowException, match=told):
        scorer.predict(None, frame(binary, **changes))


def test_other_trees_than_those_it_was_written_for_are_refused(binary: Pair, tmp_path: Path) -> None:
    import shutil

    import mlflow
    from mlflow.exceptions import MlflowException

    shutil.copytree(binary.folder / "saved", tmp_path / "saved")
    trees = tmp_path / "saved" / "artifacts" / "model.json"
    trees.write_bytes(trees.read_bytes() + b" ")
    with pytest.raises(MlflowException, match="has sha256"):
        mlflow.pyfunc.load_model(str(tmp_path / "saved"))


def test_a_signature_from_before_types_were_recorded_asks_for_every_column_and_takes_nulls(tmp_path: Path) -> None:
    said = signature()
    found = build.spec(said, {})
    assert [(item["type"], item["required"]) for item in found["inputs"]] == [
        ("string" if item.kind == "category" else "double", True) for item in said.features
    ]
    assert {item["type"] for item in build.scoring(said, {})["inputs"]} == {"float", "text"}
