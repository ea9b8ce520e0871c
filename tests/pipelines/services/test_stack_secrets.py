from __future__ import annotations

import base64
import os
import re
from pathlib import Path

import pytest

from pipelines.config.secrets import login
from pipelines.config.settings import load
from pipelines.errors import ConfigError
from pipelines.services import stack_places, stack_secrets
from pipelines.services.stack_places import DATA, US, places


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = tmp_path / "stack" / "secrets"
    assert set(stack_secrets.ensure(folder)) == set(stack_secrets.NAMES)
    return folder


def test_they_are_made_once_for_their_owner_alone(made: Path) -> None:
    before = {path.name: path.read_text() for path in made.iterdir()}
    assert stack_secrets.ensure(made) == []
    assert {path.name: path.read_text() for path in made.iterdir()} == before
    assert made.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in made.iterdir()} == {0o600}
    assert len(set(before.values())) == len(before)
    assert all(re.fullmatch(r"[A-Za-z0-9_=-]{20,}", value) for value in before.values())
    assert len(base64.urlsafe_b64decode(before["airflow-fernet"])) == 32


def test_one_that_is_lost_is_made_and_the_others_stay(made: Path) -> None:
    kept = (made / "postgres").read_text()
    (made / "redis").unlink()
    assert stack_secrets.ensure(made) == ["redis"]
    assert (made / "postgres").read_text() == kept


def test_rotation_keeps_the_one_before(made: Path) -> None:
    old = stack_secrets.read(made, "postgres")
    stack_secrets.rotate(made, "postgres")
    assert stack_secrets.read(made, "postgres") != old
    assert stack_secrets.read(made, "postgres.previous") == old
    assert (made / "postgres.previous").stat().st_mode & 0o777 == 0o600


def test_airflow_reads_with_the_key_before_too(made: Path) -> None:
    first = stack_secrets.read(made, "airflow-fernet")
    stack_secrets.rotate(made, "airflow-fernet")
    second, _, kept = stack_secrets.read(made, "airflow-fernet").partition(",")
    assert kept == first
    stack_secrets.rotate(made, "airflow-fernet")
    assert stack_secrets.read(made, "airflow-fernet").endswith(f",{second}")
    assert stack_secrets.read(made, "airflow-fernet").count(",") == 1


def test_what_is_no_secret_cannot_be_rotated(made: Path) -> None:
    with pytest.raises(ConfigError, match="'root' is no secret"):
        stack_secrets.rotate(made, "root")
    with pytest.raises(ConfigError, match="run `evergreen stack-secrets`"):
        stack_secrets.rotate(made.parent, "redis")


def test_only_promote_and_who_records_answers_get_the_promoters_login(made: Path) -> None:
    found, promoter = places(made), (made / "ledger-promoter").read_text()
    holders = {name for name, place in found.items() if any(promoter in text for text in place.files.values())}
    assert holders == {"promote", "ledger", "scheduler"}
    # As itself it is a task: what is sent to the ledger but for answers is sent without the right to promote.
    assert found["scheduler"].files["ledger"] == found["tasks"].files["ledger"]
    assert {**found["scheduler"].files, "ledger-promoter": ""} == {**found["airflow"].files, "ledger-promoter": ""}


def test_only_promote_gets_the_key_that_signs(made: Path) -> None:
    assert not any("champion" in name for place in places(made).values() for name in place.files)
    (made / "champion-key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
    (made / "champion-signers").write_text("promoter ssh-ed25519 AAAA\n")
    found = places(made)
    assert [name for name, place in found.items() if "champion-key" in place.files] == ["promote"]
    assert [name for name, place in found.items() if "champion-signers" in place.files] == ["tasks", "promote"]
    # Byte for byte: ssh-keygen takes no key without its last line break.
    assert found["promote"].files["champion-key"] == (made / "champion-key").read_text()


@pytest.mark.parametrize(
    ("secret", "holders"),
    [
        ("postgres", {"postgres", "init"}),
        ("postgres-airflow", {"airflow", "scheduler", "init"}),
        ("postgres-mlflow", {"mlflow", "init"}),
        ("airflow-fernet", {"airflow", "scheduler"}),
        ("airflow-jwt", {"airflow", "scheduler"}),
        ("mlflow-admin", {"mlflow", "init"}),
        ("mlflow-session", {"mlflow"}),
        ("s3-secret-key", {"s3", "init", "mlflow", "tasks", "promote"}),
        ("redis", {"redis", "airflow", "scheduler"}),
    ],
)
def test_a_service_gets_what_it_needs_and_no_more(made: Path, secret: str, holders: set[str]) -> None:
    value = (made / secret).read_text()
    found = {name for name, place in places(made).items() if any(value in text for text in place.files.values())}
    assert found == holders


def test_only_airflows_side_gets_the_channels_of_alerts(made: Path) -> None:
    (made / "alerts-flights").write_text("json://user:token@example.org/hook\n")
    holders = [name for name, place in places(made).items() if "alerts-flights" in place.files]
    assert holders == ["airflow", "scheduler"]
    assert places(made)["airflow"].files["alerts-flights"] == "json://user:token@example.org/hook\n"


def test_volumes_are_filled_anew_and_what_is_stale_goes(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owners: dict[str, int] = {}
    monkeypatch.setattr(os, "chown", lambda path, user, _: owners.update({str(path): user}))
    volumes = made.parent / "volumes"
    for name in {*DATA, *places(made)}:
        (volumes / name).mkdir(parents=True)
    (volumes / "airflow" / "stale").write_text("x")
    said: list[str] = []
    for _ in range(2):
        stack_places.put(made, volumes, said.append)
        for folder in (volumes / "tasks/secrets", volumes / "airflow"):
            folder.chmod(0o700)  # root, who does this, is not kept out by the mode
            assert all(path.stat().st_mode & 0o777 == 0o400 for path in folder.iterdir())
            for name in {*places(made)}:
                (volumes / name / places(made)[name].below).chmod(0o700)
    assert not (volumes / "airflow" / "stale").exists()
    assert owners[str(volumes / "s3-data")] == US
    task = load({"EVERGREEN_SECRETS": str(volumes / "tasks" / "secrets")})
    assert login(task, "ledger") == ("tasks", (made / "ledger-tasks").read_text())
    assert not any(value in line for line in said for value in [(made / "postgres").read_text()])
