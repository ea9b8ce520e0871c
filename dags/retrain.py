"""Retrains a model and lets the gates judge it.

`snapshot` opens a run of the ledger on the data there is, `validate` checks it, `features` and `train` make the
challenger, `evaluate` compares it with the champion on days that neither has seen, `register` records it. A challenger
that passed every gate is announced as `evergreen/<model>/challenger`, which starts `<model>__promote`; a refused one is
recorded, and the champion stays. Every task may be repeated: what is finished is not done again.
"""

from __future__ import annotations

import evergreen_calls as calls
from airflow.sdk import DAG, Param, chain
from evergreen_dags import dag_arguments, model_dags
from evergreen_tasks import asset, stage_task

from pipelines.config.model import Model
from pipelines.config.names import Promotion

MIDDLE = ("validate", "features", "train", "evaluate")
# One line of printable text; written so that Python and the browser read it alike.
NOTE = r"^(?![\s\S]*[\u0000-\u001f\u007f-\u009f\u2028\u2029])"


def params(model: Model) -> dict[str, Param]:
    """The retrain form, its defaults from `model.yaml`."""
    return {
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date",
            title="As-of date",
            description_md="Newest day of data to use. Empty: the newest accepted day.",
        ),
        "train_days": Param(
            model.window.train_days,
            type="integer",
            minimum=model.window.validation_days + 1,
            maximum=3660,
            title="Train days",
            description_md="Days to train on, before the test days.",
        ),
        "test_days": Param(
            model.window.test_days,
            type="integer",
            minimum=1,
            maximum=3660,
            title="Test days",
            description_md="Newest days, held out, on which the gates judge.",
        ),
        "promotion": Param(
            model.promotion.value,
            type="string",
            enum=[mode.value for mode in Promotion],
            title="Promotion mode",
            description_md="*auto*: a challenger that passes becomes champion. *manual*: a person promotes it. "
            "*dry_run*: only record what would happen.",
        ),
        "hpo_trials": Param(
            model.training.hpo.trials,
            type="integer",
            minimum=0,
            maximum=1000,
            title="HPO trials",
            description_md="Trials of the search for parameters; 0 for none.",
        ),
        "note": Param(
            # Airflow's page takes an empty text for a missing one, and a missing one must be allowed then.
            None,
            type=["null", "string"],
            maxLength=500,
            pattern=NOTE,
            title="Note",
            description_md="Why; kept with the run.",
        ),
    }


def build(name: str, model: Model) -> DAG:
    """`<name>__retrain`."""
    schedule = [asset(name, "retrain")]
    with DAG(f"{name}__retrain", params=params(model), schedule=schedule, **dag_arguments(name, model, __doc__)) as dag:
        snapshot = stage_task(name, model, "snapshot", calls.snapshot(name))
        middle = [stage_task(name, model, stage, calls.continued) for stage in MIDDLE]
        register = stage_task(name, model, "register", calls.register(model), announces="challenger")
        chain(snapshot, *middle, register)
    return dag


globals().update(model_dags("retrain", build, report=True))
