"""All benchmarks: `python -m benchmarks.run [--only real large repeat dag night drift replay help dags]`.

Each writes `benchmarks/results/<name>.json` and its lines in `benchmarks/results/README.md`. Work files lie below
`.evergreen/bench` and may be deleted at any time.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from benchmarks import command, dag, drift, night, policies, repeat, report, versus
from benchmarks.report import Result
from pipelines.config.settings import PROJECT

AS_OF, LAST = "2013-03-31", "2013-04-30"
YEAR = "2013-12-30"
ROWS = 10_000_000
# Two fits of 400 rounds on ten million rows would take most of an hour; the share of everything else only grows by it.
ROUNDS = 30


def main() -> None:
    """Run what is asked for, one after the other."""
    asked = _arguments()
    work, results = asked.work.resolve(), asked.results.resolve()
    work.mkdir(parents=True, exist_ok=True)
    for name in asked.only:
        load = os.getloadavg()[0]
        print(f"== {name} (load {load:.1f})", flush=True)
        result = _benchmarks(asked, work)[name]()
        report.write(results, result, load)
        for target in result.targets:
            bound = "" if target.bound is None else f" (target {target.bound:g}, {'met' if target.met else 'NOT met'})"
            print(f"  {target.what}: {target.measured:.3g} {target.unit}{bound}", flush=True)


def _benchmarks(asked: argparse.Namespace, work: Path) -> dict[str, Callable[[], Result]]:
    repeats = asked.repeats
    return {
        "help": lambda: command.help_page(work),
        "dags": lambda: command.dags(work, repeats),
        "real": lambda: versus.real(work, repeats, asked.as_of, asked.last),
        "repeat": lambda: repeat.repeat(work, repeats, asked.as_of, asked.last),
        "dag": lambda: dag.dag(work, asked.as_of, asked.last),
        "night": lambda: night.night(work, repeats),
        "drift": lambda: drift.drift(work, repeats, asked.rows),
        "replay": lambda: policies.policies(work),
        "large": lambda: versus.large(work, asked.large_repeats, asked.large_as_of, asked.rows, asked.rounds),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = ("help", "dags", "real", "repeat", "dag", "night", "drift", "replay", "large")
    parser.add_argument("--only", nargs="+", choices=names, default=list(names), metavar="NAME", help=", ".join(names))
    parser.add_argument("--repeats", type=int, default=3, help="runs of each side")
    parser.add_argument("--as-of", default=AS_OF, help="as-of day of real, repeat and dag")
    parser.add_argument("--last", default=LAST, help="last day ingested for them, and the DAG's second as-of day")
    parser.add_argument("--rows", type=int, default=ROWS, help="flights of the grown lake")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="most rounds of a fit in large")
    parser.add_argument("--large-as-of", default=YEAR, help="as-of day of large")
    parser.add_argument("--large-repeats", type=int, default=1, help="runs of each side of large")
    parser.add_argument("--work", type=Path, default=PROJECT / ".evergreen" / "bench")
    parser.add_argument("--results", type=Path, default=PROJECT / "benchmarks" / "results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
