"""The DAGs that model folders become: their graphs, forms and limits, and what a broken folder does to the others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import write_tiny_model

from pipelines.config import settings as configuration

NIGHT = ["ingest", "score", "monitor", "decide"]
STAGES = ["snapshot", "validate", "features", "train", "evaluate", "register"]

OTHER_SCHEDULE = """
schedule:
  start: 2024-01-02
  end: 2024-01-31
  cron: 30 2 * * *
  time_zone: America/New_York
  wait_hours: 1
  catchup: true
""".strip()


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """Two good folders, `tiny` and `other`, among broken ones of every kind."""
    folder = tmp_path_factory.mktemp("models")
    home = tmp_path_factory.mktemp("home")
    settings = configuration.load({"EVERGREEN_HOME": str(home), "EVERGREEN_MODELS": str(folder)})
    tiny = write_tiny_model(settings, "tiny", days=1)
    other = write_tiny_model(settings, "other", days=1)
    other.edit("owner: tests", "owner: somebody else")
    other.edit("promotion: auto", "promotion: manual")
    other.edit("schedule: {start: 2024-01-01, end: 2025-12-31}", OTHER_SCHEDULE)
    for name in (
        "unknown_key",
        "bomb",
        "tagged",
        "missing",
        "empty",
        "Capital",
        "two words",
        "dots..dots",
        "long" * 60,
    ):
        shutil.copytree(tiny.folder, folder / name)
    (folder / "unknown_key" / "model.yaml").write_text((tiny.folder / "model.yaml").read_text() + "colour: green\n")
    (folder / "bomb" / "model.yaml").write_text("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n")
    (folder / "tagged" / "model.yaml").write_text("title: !!python/object/apply:os.system ['touch pwned']\n")
    (folder / "missing" / "features.py").unlink()
    (folder / "empty" / "model.yaml").write_text("")
    (folder / "linked").symlink_to(tiny.folder)
    (folder / ".hidden").mkdir()
    (folder / "_draft").mkdir()
    return folder


@pytest.fixture(scope="module")
def parsed(parse, models: Path) -> dict:
    return parse(models)


@pytest.fixture(scope="module")
def dags(parsed: dict) -> dict:
    return parsed["dags"]


def test_every_good_folder_becomes_six_dags(parsed, dags) -> None:
    assert parsed["errors"] == {}
    good = {dag_id: parsed["files"][dag_id] for dag_id in dags if not dag_id.endswith("__broken")}
    assert good.pop("evergreen__maintenance") == "maintenance.py"
    assert good == {
        f"{name}__{kind}": f"{kind}.py"
        for name in ("tiny", "other")
        for kind in ("ingest", "nightly", "retrain", "promote", "rollback", "reconcile")
    }


def test_the_retrain_graph_is_a_chain(dags) -> None:
    tasks = dags["tiny__retrain"]["tasks"]
    assert list(tasks) == STAGES
    assert [tasks[name]["downstream"] for name in STAGES] == [[name] for name in STAGES[1:]] + [[]]


def test_assets_join_the_dags(dags) -> None:
    assert dags["tiny__retrain"]["schedule"] == ["evergreen/tiny/retrain"]
    assert dags["tiny__retrain"]["tasks"]["register"]["outlets"] == ["evergreen/tiny/challenger"]
    assert dags["tiny__promote"]["schedule"] == ["evergreen/tiny/challenger"]
    assert dags["tiny__promote"]["tasks"]["promote"]["outlets"] == ["evergreen/tiny/champion"]
    assert dags["tiny__nightly"]["tasks"]["decide"]["outlets"] == ["evergreen/tiny/retrain"]
    assert dags["tiny__ingest"]["schedule"] == dags["tiny__nightly"]["schedule"] == []


def test_a_person_is_asked_where_promotion_is_manual_and_nowhere_else(dags) -> None:
    assert list(dags["tiny__promote"]["tasks"]) == ["promote"]
    asks = dags["other__promote"]
    assert {name: task["downstream"] for name, task in asks["tasks"].items()} == {
        "promote": [],
        "approval": ["promote"],
    }
    # The deadline on top of what a promotion may take, and a second question while the first waits.
    assert asks["timeout"] == dags["tiny__promote"]["timeout"] + 72 * 3600
    assert asks["max_active_runs"] == 8


def test_a_rollback_has_a_form_and_is_started_by_maintenance_too(dags) -> None:
    dag = dags["tiny__rollback"]
    assert (dag["schedule"], list(dag["params"])) == (["evergreen/tiny/rollback"], ["to", "reason"])
    assert dag["tasks"]["rollback"]["outlets"] == ["evergreen/tiny/champion"]
    assert dags["tiny__reconcile"]["schedule"] == ["evergreen/tiny/compare"]


def test_the_night_is_a_chain_that_goes_on_where_nothing_is_scored(dags) -> None:
    tasks = dags["tiny__nightly"]["tasks"]
    assert list(tasks) == NIGHT
    assert [tasks[name]["downstream"] for name in NIGHT] == [[name] for name in NIGHT[1:]] + [[]]
    assert [tasks[name]["rule"] for name in NIGHT] == ["all_success", "all_success", "none_failed", "none_failed"]


def test_a_night_is_of_the_models_own_time(dags) -> None:
    tiny, other = dags["tiny__nightly"], dags["other__nightly"]
    assert (tiny["cron"], tiny["zone"], tiny["start"], tiny["end"]) == (
        "0 6 * * *",
        "UTC",
        "2024-01-01T00:00:00+00:00",
        "2025-12-31T23:59:59.999999+00:00",
    )
    assert (other["cron"], other["zone"], other["catchup"]) == ("30 2 * * *", "America/New_York", True)
    assert (other["start"], other["end"][:19]) == ("2024-01-02T05:00:00+00:00", "2024-02-01T04:59:59")
    # What a retraining may take, and the wait on top.
    assert (tiny["timeout"], other["timeout"]) == (
        dags["tiny__retrain"]["timeout"] + 6 * 3600,
        tiny["timeout"] - 5 * 3600,
    )
    assert list(tiny["params"]) == ["day"]


@pytest.mark.parametrize("kind", ["ingest", "nightly", "retrain", "promote", "rollback", "reconcile"])
def test_one_run_at_a_time_and_no_catching_up(dags, kind: str) -> None:
    dag = dags[f"tiny__{kind}"]
    assert (dag["max_active_runs"], dag["catchup"]) == (1, False)
    assert dag["timeout"] > 3600
    assert dag["tags"] == ["evergreen", "tiny"]
    assert dag["doc"].startswith("**Orders that arrive late**")
    assert {task["owner"] for task in dag["tasks"].values()} == {"tests"}


def test_passing_faults_are_outlasted_and_nothing_is_a_template(dags) -> None:
    for dag in dags.values():
        for task in dag["tasks"].values():
            assert task["templates"] == []
            if not {"broken", "maintenance"} & set(dag["tags"]):
                waits = [min(task["delay"] * task["backoff"] ** n, task["max_delay"]) for n in range(task["retries"])]
                assert sum(waits) >= 600
            else:
                # Maintenance comes again by itself.
                assert task["retries"] == (2 if "maintenance" in dag["tags"] else 0)


def test_the_form_has_typed_fields_with_the_models_defaults(dags) -> None:
    form = dags["tiny__retrain"]["params"]
    assert list(form) == ["as_of", "train_days", "test_days", "promotion", "hpo_trials", "note"]
    assert {name: field["default"] for name, field in form.items()} == {
        "as_of": None,
        "train_days": 20,
        "test_days": 5,
        "promotion": "auto",
        "hpo_trials": 0,
        "note": None,
    }
    assert form["as_of"]["format"] == "date"
    assert (form["train_days"]["minimum"], form["train_days"]["maximum"]) == (5, 3660)
    assert (form["hpo_trials"]["minimum"], form["hpo_trials"]["maximum"]) == (0, 1000)
    assert form["promotion"]["enum"] == ["dry_run", "manual", "auto"]
    assert form["note"]["maxLength"] == 500
    assert all(field["title"] and field["type"] for field in form.values())
    # A field that may not be null but is empty by default blocks the button on Airflow's page.
    assert not [name for name, field in form.items() if field["default"] in (None, "") and "null" not in field["type"]]
    assert dags["other__retrain"]["params"]["promotion"]["default"] == "manual"


def test_every_broken_folder_is_shown_once_with_its_reason(dags) -> None:
    broken = {dag_id: dag for dag_id, dag in dags.items() if dag_id.endswith("__broken")}
    assert len(broken) == 10
    for dag in broken.values():
        assert list(dag["tasks"]) == ["broken"]
        assert "broken" in dag["tags"]
    assert "model.yaml line" in broken["unknown_key__broken"]["doc"]
    assert "colour" in broken["unknown_key__broken"]["doc"]
    assert "alias" in broken["bomb__broken"]["doc"]
    assert "tag" in broken["tagged__broken"]["doc"]
    assert "features.py is missing" in broken["missing__broken"]["doc"]
    assert "symbolic link" in broken["linked__broken"]["doc"]
    assert "Capital__broken" in broken


def test_a_tasks_process_reads_its_own_model_alone(parse, models: Path) -> None:
    assert set(parse(models, "tiny__retrain")["dags"]) == {"tiny__retrain", "evergreen__maintenance"}
    assert set(parse(models, "bomb__broken")["dags"]) == {"bomb__broken", "evergreen__maintenance"}


def plain(dag: dict) -> dict:
    return {name: task | {"kind": ""} for name, task in dag["tasks"].items()}


def test_maintenance_sees_to_all_models_every_ten_minutes(dags) -> None:
    dag = dags["evergreen__maintenance"]
    assert (list(dag["tasks"]), dag["delta"], dag["timeout"]) == (["reap", "wake", "compare", "send"], 600, 600)
    assert dag["tasks"]["wake"]["outlets"] == ["evergreen/wake"]
    assert [task["downstream"] for task in dag["tasks"].values()] == [[], [], [], []]


@pytest.mark.parametrize(
    ("runtime", "operator"),
    [("process", "ProcessStageTask"), ("docker", "ContainerStageTask"), ("kubernetes", "PodStageTask")],
)
def test_the_runtime_chooses_the_operator_and_nothing_else(parse, models: Path, dags, runtime, operator) -> None:
    found = parse(models, EVERGREEN_RUNTIME=runtime, EVERGREEN_TASK_IMAGE="evergreen-tasks:local")
    assert found["errors"] == {}
    kinds = {task["kind"] for dag in found["dags"].values() if "tiny" in dag["tags"] for task in dag["tasks"].values()}
    assert kinds == {operator}
    for name in (
        "tiny__retrain",
        "tiny__promote",
        "tiny__ingest",
        "tiny__nightly",
        "tiny__rollback",
        "tiny__reconcile",
    ):
        assert found["dags"][name]["params"] == dags[name]["params"]
        assert plain(found["dags"][name]) == plain(dags[name])


@pytest.mark.parametrize(("runtime", "foreign"), [("process", ("docker", "kubernetes")), ("docker", ("kubernetes",))])
def test_no_other_runtimes_libraries_are_imported(parse, models: Path, runtime, foreign) -> None:
    found = parse(models, EVERGREEN_RUNTIME=runtime, EVERGREEN_TASK_IMAGE="evergreen-tasks:local")
    assert not [name for name in foreign if name in found["modules"]]


def test_no_folder_of_models_is_an_import_error_that_names_the_setting(parse, tmp_path: Path) -> None:
    errors = parse(tmp_path / "nowhere")["errors"]
    assert len(errors) == 6
    assert all("EVERGREEN_MODELS" in text for text in errors.values())
