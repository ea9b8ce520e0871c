from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError
from buckets import Buckets

from pipelines.errors import ConfigError, PassingFault
from pipelines.services import stack_init


@dataclass
class Users:
    """MLflow's users: names and passwords, and how often it was away."""

    address: str = ""
    known: dict[str, str] = field(default_factory=lambda: {"admin": "old"})
    away: int = 0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Users]:
    users = Users()
    monkeypatch.setattr(stack_init.time, "sleep", lambda _: None)

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"{}" if status == 200 else b"no")

        def do_GET(self) -> None:
            self.asked(self.path.partition("=")[2])

        def do_POST(self) -> None:
            self.asked("")

        do_PATCH = do_POST

        def asked(self, name: str) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            user, _, password = base64.b64decode(self.headers["Authorization"].split()[1]).decode().partition(":")
            if users.away:
                users.away -= 1
                self.answer(503)
            elif users.known.get(user) != password:
                self.answer(401)
            elif name:
                self.answer(200 if name in users.known else 404)
            elif body["username"] == user and body.get("current_password") != password:
                self.answer(400)
            else:
                users.known[body["username"]] = body["password"]
                self.answer(200)

        def log_message(self, *args: Any) -> None:  # noqa: ARG002 - silent
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
        users.address = f"http://127.0.0.1:{listening.server_address[1]}"
        yield users
        listening.shutdown()


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    for name, value in {"mlflow-admin": "new", "mlflow-admin.previous": "old", "mlflow-tasks": "tasks' own"}.items():
        (tmp_path / name).write_text(value)
    return tmp_path


def test_mlflow_gets_its_user_and_a_rotated_password(server: Users, secrets: Path) -> None:
    server.away = 2
    for _ in range(2):
        stack_init.mlflow(secrets, server.address, lambda _: None)
        assert server.known == {"admin": "new", "tasks": "tasks' own"}
    (secrets / "mlflow-tasks").write_text("rotated")
    stack_init.mlflow(secrets, server.address, lambda _: None)
    assert server.known["tasks"] == "rotated"


def test_a_password_that_nobody_knows_is_said(server: Users, secrets: Path) -> None:
    server.known["admin"] = "third"
    with pytest.raises(ConfigError, match="the admin's password is another"):
        stack_init.mlflow(secrets, server.address, lambda _: None)


def test_a_server_that_stays_away_is_a_passing_fault(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_init, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(PassingFault, match="does not answer"):
        stack_init.mlflow(secrets, "http://127.0.0.1:9", lambda _: None)


def test_buckets_are_made_once(buckets: Buckets) -> None:
    said: list[str] = []
    for _ in range(2):
        stack_init.s3(buckets.settings, said.append)
    there = {bucket["Name"] for bucket in buckets.s3.client.list_buckets()["Buckets"]}
    assert set(stack_init.BUCKETS) <= there
    assert len(said) == 2 * len(stack_init.BUCKETS)
    for name in stack_init.BUCKETS:
        (rule,) = buckets.s3.client.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_a_server_without_such_rules_still_gets_its_buckets(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = ClientError({"Error": {"Code": "NotImplemented"}}, "PutBucketLifecycleConfiguration")
    client = Mock(put_bucket_lifecycle_configuration=Mock(side_effect=refused))
    said: list[str] = []
    stack_init._tidied(replace(buckets.s3, client=client), "x", said.append)
    assert "keeps unfinished uploads" in said[0]


def test_s3_that_stays_away_is_a_passing_fault(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_init, "PATIENCE_SECONDS", 0.0)
    away = replace(buckets.settings, s3=replace(buckets.settings.s3, endpoint="http://127.0.0.1:9", attempts=1))
    with pytest.raises(PassingFault):
        stack_init.s3(away, lambda _: None)
