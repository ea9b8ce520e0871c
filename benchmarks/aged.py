"""A ledger with more years behind it: every month of 2013 again under earlier years, in all that grows by the night.

`python -m benchmarks.aged HOME MODEL YEARS`: manifest, profiles and DVC files on `data`, what nights saw on `nights`,
one decision a night, one finished run a week. Bytes of partitions are those of 2013: no night reads that far back.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterator
from datetime import date, timedelta

from pipelines.config import settings as configuration
from pipelines.ledger import champion
from pipelines.ledger.git import Ledger

YEAR = 2013
RUN_DAYS = 7


def age(ledger: Ledger, years: int) -> int:
    """Give `ledger` the look of `years` years that end with 2013; the number of files written."""
    written = 0
    for branch in ("data", "nights"):
        head = ledger.head(branch)
        if head is None:
            continue
        changes = dict(_earlier(ledger, head, years, fill=branch == "nights"))
        ledger.commit(branch, changes, f"Age by {years} years", parent=head)
        written += len(changes)
    return written + _decisions(ledger, years) + _runs(ledger, years)


def _earlier(ledger: Ledger, head: str, years: int, *, fill: bool) -> Iterator[tuple[str, bytes]]:
    """Every file of a month under every month of the earlier years, or (`fill`) of all years where there is none."""
    paths = [path for path in ledger.tree(head) if f"/{YEAR}-" in path]
    known = set(paths)
    for path in paths:
        content = ledger.read(head, path) or b""
        month = path.rpartition("/")[2][:7]
        months = [f"{month[:5]}{number:02d}" for number in range(1, 13)] if fill else [month]
        for back in range(years):
            for other in months:
                wanted = f"{int(other[:4]) - back}{other[4:]}"
                target = path.replace(month, wanted)
                if target not in known:
                    known.add(target)
                    yield target, content.replace(month.encode(), wanted.encode())


def _decisions(ledger: Ledger, years: int) -> int:
    """One decision for every night that there was, with its evidence, in one commit."""
    head = ledger.head("decisions")
    paths = [path for path in ledger.tree(head) if path.endswith(".r1.json")] if head else []
    if head is None or not paths:
        return 0
    changes: dict[str, bytes | None] = {}
    for folder in ("nights", "evidence"):
        path = next(path for path in paths if path.startswith(folder))
        content, day = ledger.read(head, path) or b"", path.rpartition("/")[2].partition(".")[0]
        for number in range(1, 365 * years):
            other = f"{date(YEAR, 11, 30) - timedelta(days=number)}"
            changes[f"{folder}/{other[:7]}/{other}.r1.json"] = content.replace(day.encode(), other.encode())
    ledger.commit("decisions", changes, f"Age by {years} years", parent=head)
    return len(changes)


def _runs(ledger: Ledger, years: int) -> int:
    """One finished run a week, all of them the champion's commit."""
    standing = champion.current(ledger)
    commit = standing and ledger.head(standing.tag)
    if commit is None:
        return 0
    count = 365 * years // RUN_DAYS
    days = [date(YEAR, 10, 31) - timedelta(days=RUN_DAYS * number) for number in range(count)]
    lines = "".join(f"create refs/tags/runs/{day}-20200101T000000Z-{n:06x} {commit}\n" for n, day in enumerate(days))
    subprocess.run(["git", "-C", ledger.url, "update-ref", "--stdin"], input=lines.encode(), check=True)
    ledger.fetch()
    return count


def main() -> None:
    """Age the ledger that the settings name; says how many files and refs it wrote."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("years", type=int)
    asked = parser.parse_args()
    print(age(Ledger.open(configuration.load(), asked.model), asked.years))


if __name__ == "__main__":
    main()
