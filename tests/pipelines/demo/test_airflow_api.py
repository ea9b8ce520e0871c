"""How the demo speaks to Airflow: patient where it stalls, plain where it refuses."""

from __future__ import annotations

import io
import urllib.error
from email.message import Message

import pytest

from pipelines.demo import airflow_api
from pipelines.demo.airflow_api import Airflow
from pipelines.errors import EvergreenError, PassingFault


@pytest.fixture
def answers(monkeypatch):
    """Gives the answers to come, in their order; an exception is raised. The token is always given."""
    monkeypatch.setattr(airflow_api, "PAUSE", 0)
    coming: list = []

    def send(method, url, body, headers):
        if url.endswith("/auth/token"):
            return {"access_token": "t"}
        answer = coming.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(airflow_api, "_send", send)
    return coming


def status(code: int) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("u", code, "no", Message(), io.BytesIO(b"detail"))


def airflow() -> Airflow:
    return Airflow("http://127.0.0.1:1", "admin", "hush")


def test_a_stall_is_waited_out(answers) -> None:
    answers += [TimeoutError(), status(500), status(503), {"state": "success"}]
    assert airflow().state("d", "r") == "success"


def test_a_run_of_that_name_is_no_error(answers) -> None:
    answers += [status(500), status(409)]
    assert airflow().trigger("d", "r", {}) is False


def test_a_refusal_is_told_at_once(answers) -> None:
    answers += [status(400)]
    with pytest.raises(EvergreenError, match="answered 400: detail"):
        airflow().trigger("d", "r", {})


def test_nobody_there_is_a_passing_fault(answers) -> None:
    answers += [TimeoutError()] * 4
    with pytest.raises(PassingFault, match="does not answer"):
        airflow().state("d", "r")


def test_the_password_is_never_shown() -> None:
    assert "hush" not in repr(airflow())
