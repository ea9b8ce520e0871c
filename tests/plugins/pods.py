"""Renders the pods of stage tasks, and ends them: cases as JSON on stdin, what became of them as JSON on stdout."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import AirflowException
from evergreen_kubernetes import PodStageTask
from evergreen_tasks import Call, Stage
from kubernetes.client import ApiClient
from kubernetes.client import models as k8s

from pipelines.config.resources import Allowance

RUN = "2024-01-20-20260102T030405Z-0123ab"


def ended(task: PodStageTask, case: dict[str, Any]) -> k8s.V1Pod:
    """The task's pod as the cluster would show it at its end."""
    state = k8s.V1ContainerState(terminated=k8s.V1ContainerStateTerminated(**case["end"]))
    status = k8s.V1ContainerStatus(name="base", ready=False, restart_count=0, image="", image_id="", state=state)
    found = k8s.V1PodStatus(phase="Failed", reason=case.get("reason"), container_statuses=[status])
    return k8s.V1Pod(metadata=task.pod_request_obj.metadata, status=found)


def drive(case: dict[str, Any]) -> dict[str, Any]:
    call = Call(run=case.get("run", RUN), params={"note": "x"})
    allowance = Allowance(**case.get("allowance", {}))
    model, stage = case.get("model", "late_flights"), case.get("stage", "train")
    task = PodStageTask(
        stage=Stage(model, stage, lambda _: call, None, allowance, timedelta(hours=3)), task_id=stage, retries=6
    )
    pushed = {}
    ti = SimpleNamespace(
        try_number=case.get("attempt", 1),
        dag_id=f"{model}__retrain",
        task_id=stage,
        map_index=-1,
        xcom_push=lambda key, value: pushed.update({key: value}),
    )
    run = SimpleNamespace(dag_id=f"{model}__retrain", run_id=case.get("dag_run", "manual__1"))
    context: Any = {"ti": ti, "dag_run": run, "run_id": run.run_id, "dag": SimpleNamespace(), "outlet_events": {}}

    def provider(self: PodStageTask, context: Any) -> None:
        self.pod_request_obj = self.build_pod_request_obj(context, dry_run=True)
        self.remote_pod = ended(self, case) if "end" in case else None
        if case.get("end", {}).get("exit_code") != 0:
            raise AirflowException("Pod returned a failure.")

    KubernetesPodOperator.execute = provider  # type: ignore[method-assign]
    found: dict[str, Any] = {}
    try:
        task.execute(context)
    except Exception as error:  # the kind of exception is what is asked
        found = {"raised": type(error).__name__, "message": str(error)}
    pod = ApiClient().sanitize_for_serialization(task.pod_request_obj)
    return found | {"pushed": pushed, "pod": pod, "selector": task._build_find_pod_label_selector(context)}


if __name__ == "__main__":
    sys.stdout.write("\nDRIVEN " + json.dumps([drive(case) for case in json.load(sys.stdin)]) + "\n")
