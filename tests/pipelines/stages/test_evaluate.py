import json
import re
import shutil
from datetime import date, timedelta

import numpy as np
import pytest
import yaml
from challengers import crown
from sklearn import metrics as reference
from support import write_tiny_model

from pipelines.config import settings as configuration
from pipelines.config.gates import ChampionGate
from pipelines.config.load import read_yaml
from pipelines.config.params import RunParams
from pipelines.engines.matrix import predict
from pipelines.engines.rows import Rows
from pipelines.errors import ConfigError, ExitCode, IntegrityError
from pipelines.stages import evaluate, features, train
from pipelines.stages.context import StageContext
from pipelines.storage import model_file
from pipelines.storage.files import read_json, sha256_file, write_json
from pipelines.storage.model_file import Signature

# Ibis 12 calls what DuckDB 2 has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
OUTS = {
    "metrics.json",
    "gates.json",
    "cost.json",
    "slices.json",
    "importance.json",
    "report.html",
    *(f"plots/{name}.csv" for name in ("roc", "pr", "calibration", "importance", "curve")),
}
LOOSE = {"agreement": 1.0}
LABELS = {
    "multiclass": ("CASE WHEN delay > 12 THEN 'late' WHEN delay > 0 THEN 'slow' ELSE 'fine' END", "fine, slow, late"),
    "regression": ("delay", ""),
}


def workspace(root, tiny, as_of):
    """What a run holds when `evaluate` begins, by the stages themselves."""
    params = RunParams.of(tiny.name, tiny.model, as_of)
    params = params.model_copy(update={"gates": params.gates.model_copy(update=LOOSE)})
    root.mkdir(parents=True)
    (root / "lake").symlink_to(tiny.lake)
    shutil.copytree(tiny.folder, root / "model")
    (root / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    days = [params.span.first + timedelta(days=n) for n in range((as_of - params.span.first).days + 1)]
    partitions = [{"table": "shops", "partition": "static", "path": "lake/shops.parquet", "rows": 4}]
    for table, rows in (("orders", 120), ("skies", 4)):
        partitions += [
            {"table": table, "partition": f"{day}", "path": f"lake/{table}/{day}.parquet", "rows": rows} for day in days
        ]
    write_json(root / "out/validate/accepted.json", {"partitions": partitions})
    write_json(root / "champion/champion.json", {"champion": None})
    for stage in (features, train):
        stage.main(context(root))
    return root


def context(root, **gates):
    params = read_yaml(root / "params.yaml").parse(RunParams)
    return StageContext(root, params.model_copy(update={"gates": params.gates.model_copy(update=gates)}), print)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    home = tmp_path_factory.mktemp("tiny")
    return write_tiny_model(
        configuration.load({"EVERGREEN_HOME": f"{home}/home", "EVERGREEN_MODELS": f"{home}/models"})
    )


@pytest.fixture(scope="module")
def first(tiny, tmp_path_factory):
    return workspace(tmp_path_factory.mktemp("runs") / "first", tiny, tiny.day(30))


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    return workspace(tmp_path_factory.mktemp("runs") / "second", tiny, tiny.day(38))


@pytest.fixture
def second(trained, first, tmp_path):
    """A run five unseen test days after its champion, ready to be evaluated and spoilt."""
    root = tmp_path / "second"
    shutil.copytree(trained, root, symlinks=True)
    crown(root, first)
    return root


def outs(root):
    folder = root / "out/evaluate"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def read(root, name):
    return read_json(root / "out/evaluate" / name)


def test_without_a_champion_every_out_is_written_and_the_gates_pass(first):
    result = evaluate.main(context(first))
    assert result.exit_code is ExitCode.DONE
    assert outs(first) == OUTS
    found, gates = read(first, "metrics.json"), read(first, "gates.json")
    assert found["champion"] is None
    assert found["compared"] is None
    assert found["test"] == {"rows": found["test"]["rows"], "days": ["2024-01-26", "2024-01-30"]}
    assert found["challenger"]["auc"] > 0.7
    assert gates["passed"]
    assert gates["model_sha256"] == sha256_file(first / "out/train/release.json")
    assert "there is no champion yet" in [gate["sentence"] for gate in gates["gates"]]


def test_metrics_are_those_of_an_independent_count(second):
    result = evaluate.main(context(second))
    assert result.exit_code is ExitCode.DONE
    found = read(second, "metrics.json")
    rows = Rows(second / "out/features/data", date(2024, 2, 3), date(2024, 2, 7))
    signature = Signature.read(second / "champion/signature.json")
    batches = list(rows.batches([*signature.names, "label"]))
    label = np.concatenate([batch.column("label").to_numpy() for batch in batches])
    for name, path, sha256 in (
        ("challenger", "out/train/trial.json", read_json(second / "out/train/signature.json")["trial_sha256"]),
        ("champion", "champion/model.json", signature.model_sha256),
    ):
        own = signature if name == "champion" else Signature.read(second / "out/train/signature.json")
        score = predict(model_file.verify_and_load(second / path, sha256, own), own, batches)
        assert found["compared"][name]["auc"] == pytest.approx(reference.roc_auc_score(label, score))
        assert found["compared"][name]["log_loss"] == pytest.approx(reference.log_loss(label, score.astype(float)))
    assert found["compared"]["rows"] == found["test"]["rows"] == len(label)
    assert found["compared"]["challenger"] == found["challenger"]
    assert found["champion"] == found["compared"]["champion"]
    assert set(found["compared"]["differences"]) == set(found["challenger"])
    for name, item in found["compared"]["differences"].items():
        assert item["difference"] == pytest.approx(found["challenger"][name] - found["champion"][name], abs=1e-8)
    assert 0 < found["agreement"]["mean"] < found["agreement"]["max"] < 1
    slices = read(second, "slices.json")
    assert slices["models"] == ["challenger", "champion"]
    (shops,) = slices["columns"]
    assert sum(item["rows"] for item in shops["values"]) == len(label)
    importance = read(second, "importance.json")
    assert importance["rows"] == 200
    assert sum(item["share"] for item in importance["features"]) == pytest.approx(1)


def test_only_rows_after_the_champions_last_day_are_compared(second):
    path = second / "champion/params.yaml"
    text = path.read_text()
    path.write_text(text.replace("test_end: '2024-01-30'", "test_end: '2024-02-05'"))
    assert path.read_text() != text
    evaluate.main(context(second))
    found = read(second, "metrics.json")
    assert found["compared"]["days"] == ["2024-02-06", "2024-02-07"]
    assert 200 < found["compared"]["rows"] <= 240
    assert found["compared"]["challenger"] != found["challenger"]


def test_features_of_another_features_py_are_rebuilt_and_score_the_same(second):
    evaluate.main(context(second))
    shared = read(second, "metrics.json")
    source = second / "champion/features.py"
    source.write_text(source.read_text() + "\n# another text, the same features\n")
    signature = read_json(second / "champion/signature.json")
    write_json(second / "champion/signature.json", signature | {"features_sha256": sha256_file(source)})
    evaluate.main(context(second))
    assert read(second, "metrics.json") == shared
    assert "rebuilt" in (second / "out/evaluate/report.html").read_text()
    assert not (second / "out/.champion").exists()


def test_days_the_champion_has_seen_refuse_and_say_what_is_missing(trained, second):
    crown(second, trained)
    result = evaluate.main(context(second))
    assert result.exit_code is ExitCode.REFUSED
    assert outs(second) == OUTS
    (refusal,) = result.summary["refusals"]
    assert re.search(r"only 0 test rows after 2024-02-07.*1 more day of labels", refusal)
    assert read(second, "metrics.json")["compared"]["rows"] == 0


@pytest.mark.parametrize(
    ("gates", "name"),
    [
        ({"floors": {"auc": 0.999}}, "floors:auc"),
        ({"agreement": 1e-6}, "agreement"),
        ({"ceilings": {"brier": 0.01}}, "c"),
    ],
)
def test_a_refusal_is_a_recorded_result(second, gates, name):
    result = evaluate.main(context(second, **gates))
    assert result.exit_code is ExitCode.REFUSED
    assert outs(second) == OUTS
    written = read(second, "gates.json")
    assert not written["passed"]
    assert [gate["name"].startswith(name) for gate in written["gates"] if not gate["passed"] and gate["mode"] == "on"]
    assert "the champion stays" in (second / "out/evaluate/report.html").read_text()


def _flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))


@pytest.mark.parametrize(
    ("name", "spoil", "why"),
    [
        ("model.json", _flip, "sha256"),
        ("model.json", lambda path: path.write_bytes(b"\x80\x04pickle"), "sha256"),
        ("model.json", lambda path: path.unlink(), "missing"),
        ("signature.json", lambda path: path.write_text("{}"), "signature"),
        ("features.py", lambda path: path.write_text("x = 1"), "sha256"),
        ("features.py", lambda path: path.unlink(), "missing"),
        ("params.yaml", lambda path: path.write_text("span: 3"), "parameters"),
        ("training.json", lambda path: path.write_text("{}"), "on which days the release was trained"),
        ("training.json", lambda path: path.unlink(), "missing"),
    ],
)
def test_a_corrupt_champion_is_named_and_nothing_is_written(second, name, spoil, why):
    spoil(second / "champion" / name)
    with pytest.raises(IntegrityError, match=why) as raised:
        evaluate.main(context(second))
    assert "champion 1 of run one" in str(raised.value)
    assert name in str(raised.value)
    assert outs(second) == set()


def test_a_damaged_model_of_the_run_itself_is_refused(second):
    _flip(second / "out/train/release.json")
    with pytest.raises(IntegrityError, match=r"release\.json"):
        evaluate.main(context(second))


def test_overlapping_days_unknown_slices_and_metrics_are_refused(second):
    whole = context(second)
    overlap = whole.params.span.model_copy(update={"test_start": whole.params.span.train_end})
    for update, why in (
        ({"span": overlap}, "strictly after the training days"),
        ({"evaluation": whole.params.evaluation.model_copy(update={"slices": ("colour",)})}, "'colour' is no column"),
        ({"gates": whole.params.gates.model_copy(update={"floors": {"gini": 0.5}})}, "'gini' is no metric"),
    ):
        with pytest.raises(ConfigError, match=why):
            evaluate.main(StageContext(second, whole.params.model_copy(update=update), whole.progress))


def test_a_champion_of_another_task_is_refused(second):
    signature = read_json(second / "champion/signature.json")
    write_json(second / "champion/signature.json", signature | {"task": "regression"})
    with pytest.raises(ConfigError, match="is a regression model, this run trains binary"):
        evaluate.main(context(second))


def test_twice_gives_the_same_bytes(second):
    def sums():
        evaluate.main(context(second))
        # cost.json alone holds clocks: `evergreen reproduce` does not compare it either.
        names = outs(second) - {"cost.json"}
        return {name: sha256_file(second / "out/evaluate" / name) for name in names}

    assert sums() == sums()


def test_the_report_needs_no_network_and_runs_nothing(second):
    evaluate.main(context(second, champion=ChampionGate(min_rows=100, margin=1.0)))
    page = (second / "out/evaluate/report.html").read_text()
    assert not re.search(r"https?://|src=|href=|url\(|@import|<script|<link|<iframe", page)
    assert 'name="viewport"' in page
    for heading in ("Gates", "Metrics", "ROC", "Calibration", "Feature importance", "Slices", "Windows", "SHAP"):
        assert heading in page


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks_go_the_same_way(task, tmp_path):
    home = {"EVERGREEN_HOME": f"{tmp_path}/home", "EVERGREEN_MODELS": f"{tmp_path}/models"}
    tiny = write_tiny_model(configuration.load(home))
    expression, classes = LABELS[task]
    tiny.edit("task: binary", f"task: {task}")
    tiny.edit("expression: delay > 15", f'expression: "{expression}"\n  classes: [{classes}]')
    tiny.edit("floors: {auc: 0.55}", "floors: {r2: 0.1}" if task == "regression" else "floors: {accuracy: 0.4}")
    tiny.edit("metric: log_loss", "metric: rmse" if task == "regression" else "metric: log_loss")
    old = workspace(tmp_path / "old", tiny, tiny.day(30))
    root = workspace(tmp_path / "new", tiny, tiny.day(38))
    crown(root, old)
    loose = {"agreement": 1e6, "champion": ChampionGate(margin=1e6, min_rows=100)}
    assert evaluate.main(context(root, **loose)).exit_code is ExitCode.DONE
    assert outs(root) == OUTS
    found = json.loads((root / "out/evaluate/metrics.json").read_text())
    assert all(value is not None for value in found["compared"]["champion"].values())
    baseline = [gate for gate in read(root, "gates.json")["gates"] if gate["name"] == "baseline"]
    assert baseline[0]["mode"] == "on"
