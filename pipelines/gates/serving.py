"""What is published of the release must load without Evergreen, say there what it says here, be quick and small enough.

What depends on the machine stands in no passing answer, so that the same run gives the same `gates.json` again;
`cost.json` holds the numbers.
"""

from __future__ import annotations

from pipelines.config.gates import Gates, ServingGate
from pipelines.evaluation.record import Measured
from pipelines.evaluation.serving import Serving
from pipelines.gates.base import GateResult, number


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """Loading, and where that went well parity, speed; and size."""
    found = measured.serving
    if found is None:
        return []
    answers = [_loads(found)]
    if not found.failed:
        answers += [_parity(found), _row(found, gates.serving), _throughput(found, gates.serving)]
    return [*answers, _size(found, gates.serving)]


def _loads(found: Serving) -> GateResult:
    if found.failed:
        return GateResult(
            "serving:loads", False, None, None, f"MLflow alone could not serve the release: {found.failed}"
        )
    sentence = f"MLflow loaded what is published of the release without Evergreen, and scored {found.rows:,} rows"
    return GateResult("serving:loads", True, None, None, sentence)


def _parity(found: Serving) -> GateResult:
    wrong = found.differing + found.example_differing
    evidence = {"rows": found.rows, "example_rows": found.example_rows, "example_differing": found.example_differing}
    sentence = (
        f"{found.differing:,} of {found.rows:,} scores of what is published differ from the release's own, and "
        f"{found.example_differing} of {found.example_rows} from those that training wrote down"
    )
    if not found.example_rows:
        sentence += ": the signature holds no example, so nothing ties these scores to training"
    passed = not wrong and found.example_rows > 0
    return GateResult("serving:parity", passed, float(wrong), 0.0, sentence, evidence=evidence)


def _row(found: Serving, rule: ServingGate) -> GateResult:
    took = float(found.clock["row_ms"]["cpu_p99"])
    passed = took <= rule.max_row_ms
    slow = "" if passed else f": it took {number(took, rule.max_row_ms)} ms"
    sentence = f"99 of 100 single rows are to be scored in {number(rule.max_row_ms, took)} ms of work at most{slow}"
    return GateResult("serving:row", passed, None if passed else took, rule.max_row_ms, sentence)


def _throughput(found: Serving, rule: ServingGate) -> GateResult:
    speed, bound = float(found.clock["rows_per_second"]), rule.min_rows_per_second
    passed = speed >= bound
    slow = "" if passed else f": it was {speed:,.0f}"
    sentence = f"one thread is to score at least {bound:,.0f} rows a second, in batches{slow}"
    return GateResult("serving:throughput", passed, None if passed else speed, bound, sentence)


def _size(found: Serving, rule: ServingGate) -> GateResult:
    size, bound = found.megabytes, rule.max_megabytes
    sentence = f"what is published has {number(size, bound)} MB; at most {number(bound, size)} MB is allowed"
    return GateResult("serving:size", size <= bound, size, bound, sentence)
