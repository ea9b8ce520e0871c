"""MLflow as a projection of the ledger: one run and at most one version for each retraining, and the aliases.

Every call may be repeated: what is already there is found by its `ledger.tag` and left alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pipelines.config.secrets import MLFLOW, login
from pipelines.config.settings import Settings, sqlite_file
from pipelines.errors import ConfigError, EvergreenError, PassingFault, shorten

if TYPE_CHECKING:
    from mlflow import MlflowClient

LEDGER_TAG = "ledger.tag"
PARAM_LIMIT = 500
# MLflow reads these when it is imported: no telemetry, no search for a Git binary, one quick retry instead of minutes.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@dataclass(frozen=True)
class Column:
    """One input of the model: MLflow's type is `double` for both kinds, categories being codes."""

    name: str
    kind: str


@dataclass(frozen=True)
class Entry:
    """What MLflow shall know of one retraining."""

    model: str
    tag: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    dataset: Mapping[str, str]
    model_file: Path
    columns: tuple[Column, ...]
    artifacts: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)


class Registry:
    """One MLflow server (or database), its artifact root, and the login of servers that ask for one.

    Every method raises PassingFault where MLflow is away or in trouble, and ConfigError where it lets us in no longer.
    """

    def __init__(self, uri: str, artifacts: Path, login: tuple[str, str] | None = None) -> None:
        self.uri, self.artifacts, self._login = uri, artifacts, login

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The one that the settings name; raises ConfigError where its login cannot be read."""
        return cls(settings.mlflow_uri, settings.artifacts, login(settings, MLFLOW))

    def log(self, entry: Entry) -> str:
        """The id of the MLflow run that holds `entry`, written now unless it is already complete."""
        with self.client() as client:
            experiment = self._experiment(client, entry.model)
            run = self._find_run(client, experiment, entry.tag)
            if run is not None and run.info.status == "FINISHED":
                return str(run.info.run_id)
            run = run or client.create_run(experiment, tags={**entry.tags, LEDGER_TAG: entry.tag}, run_name=entry.tag)
            self._write(client, run.info.run_id, entry)
            client.set_terminated(run.info.run_id, "FINISHED")
            return str(run.info.run_id)

    def register(self, entry: Entry) -> int:
        """The version of `entry`'s model in the registry, created now unless its run already has one."""
        run_id = self.log(entry)
        with self.client() as client:
            known = _version_of(client, entry.model, entry.tag)
            if known is not None:
                return known
            _ensure_model(client, entry.model)
            logged = self._logged_model(client, run_id)
            if logged is None:
                raise PassingFault("the run has no logged model yet", where=entry.tag, remedy="run the step again")
            version = client.create_model_version(
                entry.model,
                source=logged.artifact_location,
                run_id=run_id,
                tags={**entry.tags, LEDGER_TAG: entry.tag},
                model_id=logged.model_id,
            )
            return int(version.version)

    def version_of(self, model: str, tag: str) -> int | None:
        """The version registered for ledger tag `tag`, or None."""
        with self.client() as client:
            return _version_of(client, model, tag)

    def tag_of(self, model: str, version: int) -> str | None:
        """The ledger tag of version `version`, or None where there is no such version."""
        with self.client() as client:
            found = client.search_model_versions(f"name='{model}'", max_results=1000)
            return next((item.tags.get(LEDGER_TAG) for item in found if int(item.version) == version), None)

    def set_alias(self, model: str, alias: str, version: int) -> None:
        """Points `alias` at `version`; the ledger has decided, MLflow only shows it."""
        with self.client() as client:
            client.set_registered_model_alias(model, alias, str(version))

    def aliases(self, model: str) -> dict[str, int]:
        """The aliases of `model`; empty where it has no version yet."""
        with self.client() as client:
            found = client.search_registered_models(f"name='{model}'")
            return {alias: int(version) for item in found for alias, version in item.aliases.items()}

    def fetch(self, folder: str, name: str, target: Path) -> Path | None:
        """The artifact `name` of the artifact address `folder`, brought to below `target`; None where there is none."""
        with self.client():
            from mlflow import artifacts

            there = artifacts.list_artifacts(artifact_uri=folder, tracking_uri=self.uri) or []
            if not any(item.path.rpartition("/")[2] == name for item in there):
                return None
            place = f"{folder.rstrip('/')}/{name}"
            return Path(artifacts.download_artifacts(artifact_uri=place, dst_path=str(target), tracking_uri=self.uri))

    def _experiment(self, client: MlflowClient, model: str) -> str:
        found = client.get_experiment_by_name(model)
        if found is not None:
            return str(found.experiment_id)
        # A server knows where it keeps artifacts: in a folder, or on S3, which it alone may write.
        place = None if self.uri.startswith("http") else (self.artifacts / model).as_uri()
        return str(client.create_experiment(model, artifact_location=place))

    def _find_run(self, client: MlflowClient, experiment: str, tag: str) -> Any | None:
        found = client.search_runs([experiment], filter_string=f"tags.`{LEDGER_TAG}` = '{tag}'", max_results=1)
        return found[0] if found else None

    def _write(self, client: MlflowClient, run_id: str, entry: Entry) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

        params = [Param(key, _bounded(value)) for key, value in sorted(entry.params.items())]
        client.log_batch(run_id, params=params)
        source = json.dumps({key: value for key, value in entry.dataset.items() if key != "digest"}, sort_keys=True)
        dataset = Dataset(f"{entry.model}-window", entry.dataset["digest"], "dvc", source)
        client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
        for folder, files in entry.artifacts.items():
            for file in files:
                client.log_artifact(run_id, str(file), folder or None)
        logged = self._logged_model(client, run_id)
        model_id = logged.model_id if logged is not None else _log_model(run_id, entry)
        # After the model: logging one asks for the history of every metric that its run has, each with a request.
        metrics = [
            Metric(key, value, 0, 0, model_id=model_id, run_id=run_id) for key, value in sorted(entry.metrics.items())
        ]
        client.log_batch(run_id, metrics=metrics)

    def _logged_model(self, client: MlflowClient, run_id: str) -> Any | None:
        experiment = client.get_run(run_id).info.experiment_id
        found = client.search_logged_models([experiment], filter_string=f"source_run_id = '{run_id}'")
        return next((item for item in found if item.status.value == "READY"), None)

    @contextmanager
    def client(self) -> Iterator[MlflowClient]:
        """MLflow's own client, quiet and logged in, for the block; its faults become ours."""
        os.environ.update({key: value for key, value in _QUIET.items() if key not in os.environ})
        import logging

        import mlflow
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException

        # MLflow tells of its table migrations and of every version on stderr, where our own lines stand.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # an environment made by uv has no pip
        logging.getLogger("alembic").setLevel(logging.WARNING)
        if (file := sqlite_file(self.uri)) is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(self.uri)
        try:
            with _logged_in(self._login):
                yield mlflow.MlflowClient(self.uri, self.uri)
        except (MlflowException, RequestException) as error:
            known = _meaning(error, _public(self.uri))
            if known is None:
                raise
            raise known from error


@contextmanager
def _logged_in(login: tuple[str, str] | None) -> Iterator[None]:
    """MLflow's client takes a login from the environment alone: it is there while we ask, and gone afterwards."""
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(zip(names, login, strict=True) if login else ())
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _log_model(run_id: str, entry: Entry) -> str:
    """The id of the model, logged now."""
    import mlflow
    import mlflow.xgboost
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from pipelines.storage.model_file import verify_and_load

    inputs = Schema([ColSpec("double", column.name, required=False) for column in entry.columns])
    signature = ModelSignature(inputs, Schema([ColSpec("double")]))
    booster = verify_and_load(entry.model_file, entry.tags["model.sha256"])
    with mlflow.start_run(run_id=run_id):
        logged = mlflow.xgboost.log_model(
            booster,
            name="model",
            signature=signature,
            model_format="json",
            pip_requirements=[f"xgboost=={_version('xgboost')}"],
        )
    return str(logged.model_id)


def _version_of(client: MlflowClient, model: str, tag: str) -> int | None:
    found = client.search_model_versions(f"name='{model}' and tags.`{LEDGER_TAG}` = '{tag}'", max_results=1)
    return int(found[0].version) if found else None


def _ensure_model(client: MlflowClient, model: str) -> None:
    if not client.search_registered_models(f"name='{model}'"):
        client.create_registered_model(model)


def _meaning(error: Exception, where: str) -> EvergreenError | None:
    """What went wrong between us and the server; None where it did not go wrong there."""
    status = _answered(error)
    if status is None:
        return PassingFault(
            "MLflow does not answer", where=where, remedy="start it with `make up` or `make stack`; nothing is lost"
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        what = "refuses our login" if status == HTTPStatus.UNAUTHORIZED else "does not let our login do this"
        return ConfigError(f"MLflow {what}", where=where, remedy="see the file `mlflow` of EVERGREEN_SECRETS")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        told = shorten(" ".join(str(error).split()), 120)
        return PassingFault(f"MLflow is in trouble: {told}", where=where, remedy="see its log; nothing is lost")
    return None


def _answered(error: Exception) -> int | None:
    """The status of the server's answer; None: there was none. 0 where MLflow's client raises for other reasons."""
    from mlflow.exceptions import MlflowException, RestException
    from requests.exceptions import RequestException

    text = str(error)
    if isinstance(error, RequestException):
        return None if error.response is None else int(error.response.status_code)
    if "Max retries exceeded" in text or "Connection refused" in text:
        return None
    if isinstance(error, RestException) or (isinstance(error, MlflowException) and "API request to" in text):
        return int(error.get_http_status_code())
    return 0


def _bounded(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text[:PARAM_LIMIT]


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return version(f"{package}-cpu")  # XGBoost's wheel without CUDA goes by this name


def _public(uri: str) -> str:
    """`uri` without a user name or password."""
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
