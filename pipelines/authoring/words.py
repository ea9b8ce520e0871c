"""Names and values as they stand in the drafted files: SQL, YAML, Python and prose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pipelines.config import plain_yaml
from pipelines.errors import shorten

_ID = re.compile(r"(^|[_ .-])(id|key|uuid|guid|code|zip|zipcode|postcode|no|nr)$", re.IGNORECASE)
_CAMEL_ID = re.compile(r"[a-z0-9](Id|ID|Key|Code)$")


def looks_like_id(name: str) -> bool:
    """Whether a column so named holds names of things rather than amounts."""
    return bool(_ID.search(name) or _CAMEL_ID.search(name))


def identifier(name: str) -> str:
    """`name` as an SQL identifier, bare where that is safe."""
    if re.fullmatch(r"[a-z_][a-z0-9_]*", name) and name not in _keywords():
        return name
    return '"' + name.replace('"', '""') + '"'


def literal(value: Any) -> str:
    """A text or a number as an SQL literal."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def flow(value: Any) -> str:
    """`value` as YAML on one line, quoted where YAML would read something else."""
    return plain_yaml.flow(value)


def flat_text(text: str, limit: int = 60) -> str:
    """`text` for a comment or a sentence: one line, printable, bounded."""
    return shorten("".join(sign if sign.isprintable() else "�" for sign in text), limit)


def wrapped(names: Sequence[str], indent: int, width: int = 120) -> str:
    """Python source of a list of texts, broken into lines as a formatter would break it."""
    items = [quoted(name) for name in names]
    line = f"[{', '.join(items)}]"
    if len(line) + indent <= width - 30:
        return line
    inner = "".join(f"    {item},\n" for item in items)
    return f"[\n{inner}]"


def quoted(text: str) -> str:
    """`text` as Python source, in double quotes where that needs no escapes."""
    return f'"{text}"' if text.isprintable() and '"' not in text and "\\" not in text else repr(text)


def slug(text: str) -> str:
    """`text` as part of a feature's name."""
    return re.sub(r"\W+", "_", text.lower()).strip("_")[:40] or "value"


@lru_cache(maxsize=1)
def _keywords() -> frozenset[str]:
    from pipelines.quality.label import connect

    with connect() as session:
        query = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
        return frozenset(row[0] for row in session.execute(query).fetchall())
