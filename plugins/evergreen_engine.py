"""A Docker engine in Evergreen's terms: what goes wrong is a passing fault, or something that no retry mends."""

from __future__ import annotations

import contextlib
import io
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from evergreen_runtime import RESULT_LIMIT
from requests.exceptions import RequestException

from pipelines.errors import ConfigError, PassingFault, shorten

if TYPE_CHECKING:
    from docker import APIClient

TASK_LABEL = "evergreen.task"
DEADLINE_LABEL = "evergreen.deadline"
STOP_SECONDS = 2
API_SECONDS = 30
ARCHIVE_LIMIT = 64 * 1024
_REMOVAL_SECONDS = 10
_FORBIDDEN, _CONFLICT, _SERVER = 403, 409, 500


class NameTaken(Exception):
    """Another was there first: made a container of this name, or removes ours."""


@dataclass(frozen=True)
class Engine:
    """The engine at `url`.

    Every method raises PassingFault where it does not answer or has trouble of its own, and ConfigError where it, or
    the socket proxy before it, refuses what is asked.
    """

    client: APIClient
    url: str

    def image_id(self, image: str) -> str:
        """The digest of a local image."""
        with self._spoken():
            return str(self.client.inspect_image(image)["Id"])

    def create(self, body: dict[str, Any], name: str) -> str:
        """The id of a new container; raises NameTaken."""
        with self._spoken():
            return str(self.client.create_container_from_config(body, name)["Id"])

    def start(self, container: str) -> None:
        """Start it, unless it runs; raises NameTaken where another removes it under our hands."""
        try:
            with self._spoken():
                self.client.start(container)
        except NotFound:
            raise NameTaken(container) from None

    def state(self, container: str) -> dict[str, Any] | None:
        """What the engine knows of a container, by id or name; None: there is none."""
        try:
            with self._spoken():
                found: dict[str, Any] = self.client.inspect_container(container)
                return found
        except NotFound:
            return None

    def tasks(self) -> list[dict[str, Any]]:
        """All task containers, running or not; nothing without our label is ever listed."""
        with self._spoken():
            found: list[dict[str, Any]] = self.client.containers(all=True, filters={"label": f"{TASK_LABEL}=1"})
            return found

    def log(self, container: str, since: int) -> bytes:
        """Its log from second `since` on, every line with its time; empty where it is gone."""
        try:
            with self._spoken():
                found: bytes = self.client.logs(container, timestamps=True, since=since or None)
                return found
        except NotFound:
            return b""

    def stop(self, container: str) -> None:
        """End its processes, politely for two seconds."""
        with contextlib.suppress(NotFound), self._spoken():
            self.client.stop(container, timeout=STOP_SECONDS)

    def remove(self, container: str) -> None:
        """Remove it, running or not; done when it is gone."""
        try:
            with self._spoken():
                self.client.remove_container(container, force=True)
        except NotFound:
            return
        except NameTaken:
            deadline = time.monotonic() + _REMOVAL_SECONDS
            while self.state(container) is not None:
                if time.monotonic() > deadline:
                    raise PassingFault("is being removed and stays", where=container, remedy="see the engine") from None
                time.sleep(0.2)

    def file(self, container: str, path: str) -> bytes:
        """A small file of a container, ended or not; empty where there is none, or what is there is no small file."""
        packed = b""
        try:
            with self._spoken():
                for chunk in self.client.get_archive(container, path)[0]:
                    packed += chunk
                    if len(packed) > ARCHIVE_LIMIT:
                        return b""
        except NotFound:
            return b""
        return _only_file(packed)

    @contextlib.contextmanager
    def _spoken(self) -> Iterator[None]:
        try:
            yield
        except APIError as error:
            known = self._meaning(error)
            if known is error:
                raise
            raise known from None
        except (DockerException, RequestException, OSError) as error:
            raise _silent(self.url, error) from None

    def _meaning(self, error: APIError) -> Exception:
        """What an answer of the engine means; the error itself where it says that there is no such thing."""
        status, said = error.status_code or _SERVER, shorten(" ".join(str(error.explanation or error).split()), 160)
        if status == _CONFLICT:
            return NameTaken(said)
        remedy = _remedy(error, said)
        if remedy is None and status < _SERVER:
            return error
        if remedy is None:
            return PassingFault(f"the engine failed: {said}", where=self.url, remedy="see its log")
        return ConfigError(f"refused: {said}", where=self.url, remedy=remedy)


def _silent(url: str, error: Exception) -> PassingFault:
    text = shorten(str(error), 120)
    return PassingFault(f"the Docker engine does not answer: {text}", where=url, remedy="see that it runs")


def _remedy(error: APIError, said: str) -> str | None:
    """What to do about a refusal; None: it is none."""
    missing = isinstance(error, NotFound)
    for refused, remedy in (
        (isinstance(error, ImageNotFound), "`make images`, or name another image by EVERGREEN_TASK_IMAGE"),
        (missing and "network" in said, "start the stack, or name another network by EVERGREEN_DOCKER_NETWORK"),
        (error.status_code == _FORBIDDEN, "the socket proxy's policy and this task must agree"),
        ("device driver" in said, "install NVIDIA's container toolkit, or ask for no GPU"),
        (not missing and error.is_client_error(), "see `resources` in model.yaml"),
    ):
        if refused:
            return remedy
    return None


@contextlib.contextmanager
def connect(url: str) -> Iterator[Engine]:
    """The engine at `url`, for the block.

    Raises:
        PassingFault: it does not answer.
    """
    from docker import APIClient

    try:
        client = APIClient(url, version="auto", timeout=API_SECONDS)
    except DockerException as error:
        raise _silent(url, error) from None
    with contextlib.closing(client):
        yield Engine(client, url)


def labels(found: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels of what `Engine.state` found."""
    return found["Config"].get("Labels") or {}


def _only_file(packed: bytes) -> bytes:
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:") as archive:
            members = archive.getmembers()
            if len(members) != 1 or not members[0].isreg() or members[0].size > RESULT_LIMIT:
                return b""
            stream = archive.extractfile(members[0])
            return stream.read(RESULT_LIMIT + 1) if stream else b""
    except tarfile.TarError:
        return b""
