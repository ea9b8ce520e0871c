"""The images under test, built here from nothing but Debian and the package index, and those the tests derive."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from stack.machine.dockerd import Dockerd
from stack.machine.models import Models
from stack.machine.place import ROOT, attempt, beside, command, say, timed

BASE = "evergreen-base:bookworm-2"  # count on where PACKAGES change: one that is there is kept
TASKS, AIRFLOW = "evergreen-tasks:local", "evergreen-airflow:local"
TEST_TASKS, TEST_AIRFLOW = "evergreen-tasks:test", "evergreen-airflow:test"
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates,git,libgomp1,openssh-client,tini"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
SUITE = "bookworm"
CLIENT = "/usr/bin/docker"


def build(docker: Dockerd, write: Callable[[], Models]) -> Models:
    """Both images, and both with the tests' models, which `write` writes meanwhile, in place of the repository's."""
    _, models = beside(lambda: both(docker), write)
    derived(docker, models, TASKS, TEST_TASKS)
    derived(docker, models, AIRFLOW, TEST_AIRFLOW)
    return models


def both(docker: Dockerd) -> None:
    """Both images on the base, from this checkout."""
    version = command("sed", "-n", 's/^version = "\\(.*\\)"/\\1/p', ROOT / "pyproject.toml").strip()
    sha = command("git", "-C", ROOT, "rev-parse", "HEAD").strip()
    arguments = [f"--build-arg={name}={it}" for name, it in {"BASE": BASE, "VERSION": version, "GIT_SHA": sha}.items()]

    def build_one(target: str, tag: str) -> None:
        _build(docker, ROOT, tag, "--target", target, *arguments)

    beside(lambda: build_one("tasks", TASKS), lambda: build_one("airflow", AIRFLOW))


def base(docker: Dockerd) -> None:
    """A Debian with Python, made by debootstrap where the engine lacks it: no registry is asked."""
    if there(docker, BASE):
        return
    rootfs = docker.root / "rootfs"
    shutil.rmtree(rootfs, ignore_errors=True)
    say("making a base image (a minute)")
    with timed("base image"):
        command("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, rootfs, timeout=1200)
        # The build's pip trusts whom this machine trusts.
        shutil.copyfile(CERTIFICATES, rootfs / CERTIFICATES.relative_to("/"))
        shutil.rmtree(rootfs / "var" / "cache" / "apt", ignore_errors=True)
        command("bash", "-c", f"tar -C '{rootfs}' -c . | docker import - {BASE}", env=docker.environment)
        shutil.rmtree(rootfs)


def there(docker: Dockerd, image: str) -> bool:
    """Whether the engine has it."""
    return attempt("docker", "image", "inspect", image, env=docker.environment).returncode == 0


def derived(docker: Dockerd, models: Models, image: str, tag: str) -> None:
    """`image` with the tests' models."""
    folder = models.folder.parent / "build"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(models.folder, folder / "models")
    (folder / "Dockerfile").write_text(f"FROM {image}\nCOPY models /opt/evergreen/include/models\n")
    _build(docker, folder, tag)


def _build(docker: Dockerd, context: Path, tag: str, *options: str) -> None:
    """BuildKit by Debian's own client, since a newer one on the PATH would want an add-on for it.

    What both images stand on is made once, and no layer is packed and unpacked: minutes with the classic one.
    """
    with timed(f"image {tag}"):
        env = docker.environment | {"DOCKER_BUILDKIT": "1"}
        command(CLIENT, "build", "--quiet", "--network=host", "--tag", tag, *options, context, env=env, timeout=1800)
