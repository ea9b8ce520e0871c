"""An author's mistakes that are no exceptions: leaving, the machine's clock, chance, files."""

from __future__ import annotations

import os
import textwrap

import pytest
import stories
from hypothesis import given
from hypothesis import strategies as st
from lakefiles import files_of, params_of

from pipelines.engines.authored import load_build
from pipelines.engines.frame import open_frame
from pipelines.engines.local import connect
from pipelines.errors import ConfigError

BUILD = """
import ibis
from pipelines.features import finish
{top}

def build(tables, as_of):
    orders = tables["orders"]
    {body}
    return finish(orders.mutate(x={value}), ["x"])
"""


def opened(tiny, tmp_path, *, top: str = "", body: str = "pass", value: str = "orders.distance"):
    text = BUILD.format(top=top, body=body, value=value)
    (tiny.folder / "features.py").write_text(text)
    with connect(tmp_path / "scratch") as session:
        return open_frame(session, params_of(tiny), files_of(tiny), tiny.folder / "features.py")


@pytest.mark.parametrize(
    "leave",
    ["import sys; sys.exit(0)", "raise SystemExit", "exit(0)", "import os; os._exit(0)", "import os; os.abort()"],
)
@pytest.mark.parametrize("where", ["top", "body"])
def test_leaving_is_the_authors_mistake_with_its_line(tiny_model, tmp_path, leave, where) -> None:
    line = {"top": 4, "body": 8}[where]
    before = os._exit, os.abort
    with pytest.raises(ConfigError, match=rf"features\.py line {line}: it ends the process"):
        opened(tiny_model, tmp_path, **{where: leave})
    assert (os._exit, os.abort) == before


@pytest.mark.parametrize("leave", ["import sys; sys.exit(0)", "import os; os._exit(0)"])
def test_a_command_does_not_end_with_success_then(tiny_model, settings, leave) -> None:
    (tiny_model.folder / "features.py").write_text(BUILD.format(top=leave, body="pass", value="orders.distance"))
    done = stories.evergreen(settings, "check", "tiny")
    assert done.returncode != 0
    assert "it ends the process" in done.stdout + done.stderr


def test_any_other_base_exception_is_told_too(tiny_model, tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"features\.py line 8: GeneratorExit"):
        opened(tiny_model, tmp_path, body="raise GeneratorExit")
    with pytest.raises(KeyboardInterrupt):
        opened(tiny_model, tmp_path, body="raise KeyboardInterrupt")


CLOCKS = {
    "ibis.today()": "",
    "ibis.now()": "",
    "ibis.random()": "",
    "ibis.uuid().cast('string')": "",
    "datetime.now().hour": "from datetime import datetime",
    "dt.datetime.utcnow().hour": "import datetime as dt",
    "clock().day": "from datetime import date\nclock = date.today",
    "as_of.today().day": "",
    "ticks()": "from time import time as ticks",
    "time.localtime().tm_hour": "import time",
    "random.random()": "import random",
    "choice([1, 2])": "from random import choice",
    "np.random.rand()": "import numpy as np",
    "float(np.random.default_rng().random())": "import numpy as np",
    "pd.Timestamp.now().hour": "import pandas as pd",
    "pd.Timestamp('now').hour": "import pandas as pd",
    "str(uuid.uuid4())": "import uuid",
    "int.from_bytes(os.urandom(2), 'big')": "import os",
}


@pytest.mark.parametrize("value", CLOCKS)
def test_clock_and_chance_are_found_by_line(tiny_model, tmp_path, value) -> None:
    with pytest.raises(ConfigError, match=r"features\.py line \d+: .* is another every time; use as_of"):
        opened(tiny_model, tmp_path, top=CLOCKS[value], value=value)


@pytest.mark.parametrize(
    ("top", "value", "words"),
    [
        ("f = getattr(ibis, 'to' + 'day')", "f().day()", "current_date"),
        ("f = getattr(ibis, 'n' + 'ow')", "f().hour()", "current_timestamp"),
        ("f = getattr(ibis, 'ran' + 'dom')", "f()", "the function random"),
        ("@ibis.udf.scalar.builtin\ndef gen_random_uuid() -> str: ...", "gen_random_uuid()", "the function uuid"),
        ("@ibis.udf.scalar.builtin\ndef txid_current() -> int: ...", "txid_current()", "txid_current"),
        ("@ibis.udf.scalar.builtin\ndef ago(x: str) -> str: ...", "ago('1 day')", "the function ago"),
    ],
)
def test_what_the_source_hides_is_found_in_its_sql(tiny_model, tmp_path, top, value, words) -> None:
    with pytest.raises(ConfigError, match=rf"features\.py: what build gave back calls for .*{words}"):
        opened(tiny_model, tmp_path, top=top, value=value)


def test_a_random_sample_is_found(tiny_model, tmp_path) -> None:
    with pytest.raises(ConfigError, match="a random sample"):
        opened(tiny_model, tmp_path, body="orders = orders.sample(0.5)")


@pytest.mark.parametrize(
    ("top", "value"),
    [
        ("import numpy as np", "float(np.random.default_rng(7).random())"),
        ("import random", "random.Random(7).random()"),
        ("from datetime import datetime, date", "(as_of - date(2024, 1, 1)).days"),
        ("import time", "time.gmtime(0).tm_year"),
        ("", "orders.placed_at.hour()"),
        ("", "orders.distance.sum().over(ibis.window(group_by='shop'))"),
        ("", "orders.rename(today='distance').today.max().as_scalar()"),
    ],
)
def test_what_is_the_same_every_time_passes(tiny_model, tmp_path, top, value) -> None:
    assert opened(tiny_model, tmp_path, top=top, value=value).features[0].name == "x"


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_any_text_is_a_module_or_the_authors_mistake(tmp_path_factory, text) -> None:
    path = tmp_path_factory.mktemp("any") / "features.py"
    path.write_bytes(textwrap.dedent(text).encode())
    with pytest.raises(ConfigError):
        load_build(path)
