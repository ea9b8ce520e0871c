"""MLflow as a projection of the ledger: one run and at most one version for each retraining, and the aliases.

Every call may be repeated: what is already there is found by its `ledger.tag` and left alone.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pipelines.config import plain_yaml
from pipelines.config.secrets import MLFLOW, login
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, EvergreenError, IntegrityError, PassingFault, shorten
from pipelines.published import ask, fresh
from pipelines.published.build import CODE, SCORING, TREES, Published, build, digest
from pipelines.storage.files import sha256_file, short
from pipelines.storage.model_file import Signature

if TYPE_CHECKING:
    from mlflow import MlflowClient

LEDGER_TAG = "ledger.tag"
# On what was logged: the sha256 of all that was published. What has none was logged before there was such a thing.
PUBLISHED = "published.sha256"
LOADER = "mlflow.pyfunc.loaders.code_model"
# Where MLflow keeps the published files.
PLACES = {CODE: CODE, TREES: f"artifacts/{TREES}", SCORING: f"artifacts/{SCORING}"}
PARAM_LIMIT = 500
# Of an MLmodel: with thousands of inputs it has some hundred kilobytes.
MLMODEL_BYTES, MLMODEL_LEVELS = 4 << 20, 12
# MLflow reads these when it is imported: no telemetry, no search for a Git binary, one quick retry instead of minutes.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",  # else it publishes the project file of the folder that it runs in
}


@dataclass(frozen=True)
class Publication:
    """What is to be published of a model: its file, what it expects, and thresholds of its score by name.

    `asked` is the sha256 of what the gate `serving` has asked of it; empty: nothing.
    """

    file: Path
    signature: Signature
    thresholds: Mapping[str, float] = field(default_factory=dict)
    asked: str = ""


@dataclass(frozen=True)
class Entry:
    """What MLflow shall know of one retraining."""

    model: str
    tag: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    dataset: Mapping[str, str]
    publication: Publication
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

    def log(self, entry: Entry, *, prove: bool = True) -> str:
        """The id of the MLflow run that holds `entry`, written now unless it is already complete.

        Without `prove` the model is only kept there: nobody has to be able to ask one that the gates refused.

        Raises:
            IntegrityError: the model does not score outside as it does here, or MLflow keeps other files than it got.
        """
        with self.client() as client:
            experiment = self._experiment(client, entry.model)
            run = self._find_run(client, experiment, entry.tag)
            if run is not None and run.info.status == "FINISHED":
                return str(run.info.run_id)
            run = run or client.create_run(experiment, tags={**entry.tags, LEDGER_TAG: entry.tag}, run_name=entry.tag)
            self._write(client, run.info.run_id, entry, prove)
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

            place, above = f"{folder.rstrip('/')}/{name}", f"{folder.rstrip('/')}/{name}".rpartition("/")[0]
            there = artifacts.list_artifacts(artifact_uri=above, tracking_uri=self.uri) or []
            if not any(item.path.rpartition("/")[2] == name.rpartition("/")[2] for item in there):
                return None
            return Path(artifacts.download_artifacts(artifact_uri=place, dst_path=str(target), tracking_uri=self.uri))

    def put(self, model_id: str, wanted: Publication) -> None:
        """Publish `wanted` in the place of what was logged as `model_id`. Raises as `log` does.

        Whatever versions and aliases name it go on doing so. May be repeated.
        """
        with self.client() as client, _made(wanted, True) as made:
            self._put(client, client.get_logged_model(model_id), made, True)

    def differing(self, place: str, wanted: Publication) -> list[str]:
        """Files at the artifact address `place` that are neither as today's code nor as the gate's would publish them.

        `MLmodel`, which says what MLflow runs, is one of them where it names other code or files than were published.
        """
        with self.client(), tempfile.TemporaryDirectory(prefix="published-") as scratch:
            folder = self._download(place, Path(scratch) / "there")
            (Path(scratch) / "made").mkdir()
            made = build(Path(scratch) / "made", wanted.file, wanted.signature, wanted.thresholds)
            found = {name: sha256_file(folder / path) for name, path in PLACES.items() if (folder / path).is_file()}
            strange = [] if _runs_these(folder / "MLmodel") else ["MLmodel"]
            if wanted.asked and digest(found) == wanted.asked:
                return strange
            return strange + [name for name, sha256 in made.files.items() if found.get(name) != sha256]

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

    def _write(self, client: MlflowClient, run_id: str, entry: Entry, prove: bool) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

        params = [Param(key, _bounded(value)) for key, value in sorted(entry.params.items())]
        client.log_batch(run_id, params=params)
        source = json.dumps({key: value for key, value in entry.dataset.items() if key != "digest"}, sort_keys=True)
        dataset = Dataset(f"{entry.model}-window", entry.dataset["digest"], "dvc", source)
        client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
        for folder, files in entry.artifacts.items():
            for file in files:
                client.log_artifact(run_id, str(file), folder or None)
        model_id = self._published(client, run_id, entry.publication, prove)
        # After the model: logging one asks for the history of every metric that its run has, each with a request.
        metrics = [
            Metric(key, value, 0, 0, model_id=model_id, run_id=run_id) for key, value in sorted(entry.metrics.items())
        ]
        client.log_batch(run_id, metrics=metrics)

    def _published(self, client: MlflowClient, run_id: str, wanted: Publication, prove: bool) -> str:
        """The id of the model that the run has logged, now unless it has by now."""
        with _made(wanted, prove) as made:
            from mlflow.entities import LoggedModelOutput

            # Where somebody was stopped on the way, nobody knows whether what is there was looked at.
            logged = self._logged_model(client, run_id)
            if logged is None:
                # Not `mlflow.pyfunc.log_model`: it needs an active run, which is FINISHED once it is left.
                run = client.get_run(run_id)
                logged = client.create_logged_model(
                    run.info.experiment_id, name="model", source_run_id=run_id, params=run.data.params
                )
                client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
            self._put(client, logged, made, prove)
            client.finalize_logged_model(logged.model_id, "READY")
            return str(logged.model_id)

    def _put(self, client: MlflowClient, logged: Any, made: Published, prove: bool) -> None:
        """Have MLflow keep what was made as `logged`, look at what it keeps, and say so on it."""
        import mlflow
        from mlflow.models import Model

        saved = made.folder / "logged"
        document = Model(model_id=logged.model_id, model_uuid=logged.model_id, run_id=logged.source_run_id)
        mlflow.pyfunc.save_model(path=saved, mlflow_model=document, **ask.arguments(made.folder))
        shutil.rmtree(saved / "__pycache__", ignore_errors=True)  # MLflow has run the code where it lies
        client.log_model_artifacts(logged.model_id, str(saved))
        self._check(logged.artifact_location, made, prove)
        client.set_logged_model_tags(logged.model_id, {PUBLISHED: made.sha256})

    def _check(self, place: str, made: Published, prove: bool) -> None:
        """Raises IntegrityError unless MLflow gives out what was published and, to `prove` it, loads and asks it."""
        import mlflow

        folder = self._download(place, made.folder / "there")
        found = {name: sha256_file(folder / path) for name, path in PLACES.items() if (folder / path).is_file()}
        differing = [name for name, sha256 in made.files.items() if found.get(name) != sha256]
        if differing:
            raise IntegrityError(
                f"{shorten(', '.join(differing))} in MLflow is not what was logged", where=place, remedy="try again"
            )
        scoring = json.loads((folder / PLACES[SCORING]).read_bytes())
        wrong = ask.differing(mlflow.pyfunc.load_model(str(folder)), scoring) if prove else 0
        if wrong:
            raise IntegrityError(f"{wrong} rows of its example score otherwise in MLflow", where=place)

    def _download(self, place: str, target: Path) -> Path:
        from mlflow import artifacts

        target.mkdir()
        return Path(artifacts.download_artifacts(artifact_uri=place, dst_path=str(target), tracking_uri=self.uri))

    def _logged_model(self, client: MlflowClient, run_id: str) -> Any | None:
        """What the run has logged; where nothing of it is ready, what somebody has begun."""
        experiment = client.get_run(run_id).info.experiment_id
        found = client.search_logged_models([experiment], filter_string=f"source_run_id = '{run_id}'")
        return min(found, key=lambda item: item.status.value != "READY", default=None)

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
        if self.uri.startswith("sqlite:///"):
            Path(self.uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
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


@contextmanager
def _made(wanted: Publication, prove: bool) -> Iterator[Published]:
    """What is to be logged of it; to `prove` it a fresh process asks it, unless the gate has asked exactly this.

    Raises:
        IntegrityError: the file is not the signature's model, or outside it scores otherwise than here.
    """
    from pipelines.storage import trees

    trees.xgboost()  # MLflow runs the code, which imports all of XGBoost if nobody has imported what is needed
    with tempfile.TemporaryDirectory(prefix="published-") as scratch:
        made = build(Path(scratch), wanted.file, wanted.signature, wanted.thresholds)
        if made.files[TREES] != wanted.signature.model_sha256:
            raise IntegrityError(
                f"its sha256 is {made.files[TREES][:16]}…, the ledger says {wanted.signature.model_sha256[:16]}…",
                where=short(wanted.file),
                remedy="pull it again from the ledger, or retrain",
            )
        if prove and made.sha256 != wanted.asked:
            fresh.prove(made, wanted.file, wanted.signature)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow 3.17 calls what pandas 3 deprecates
            yield made


def _runs_these(file: Path) -> bool:
    """Whether the MLmodel in `file`, which anybody may have written, has MLflow run the published code and files."""
    import yaml

    try:
        raw = file.read_bytes()
        if len(raw) > MLMODEL_BYTES or not _is_shallow(raw):
            return False
        flavors = plain_yaml.load(raw)["flavors"]
        said = flavors["python_function"]
        named = {name: item["path"] for name, item in said["artifacts"].items()}
        code = said["model_code_path"].rpartition("/")[2]
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError):
        return False
    wanted = {"model": PLACES[TREES], "scoring": PLACES[SCORING]}
    return list(flavors) == ["python_function"] and (said["loader_module"], code, named) == (LOADER, CODE, wanted)


def _is_shallow(raw: bytes) -> bool:
    """Whether the YAML in `raw` has no aliases, and no more levels than MLflow writes: found before any is built."""
    import yaml

    depth = 0
    for event in yaml.parse(raw, Loader=plain_yaml.LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MLMODEL_LEVELS or isinstance(event, yaml.AliasEvent):
            return False
    return True


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


def _public(uri: str) -> str:
    """`uri` without a user name or password."""
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
