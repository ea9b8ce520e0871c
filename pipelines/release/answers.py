"""The answers in a run's `gates.json`, read as what they are until they are proven: somebody's words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, TypeAdapter, ValidationError

from pipelines.config.gates import Family, Mode
from pipelines.errors import IntegrityError, shorten

GATES, METRICS = "out/evaluate/gates.json", "out/evaluate/metrics.json"


def _of_a_family(name: str) -> str:
    Family(name.partition(":")[0])  # a ValueError where there is no such family
    return name


class Answer(BaseModel):
    """One gate's answer as the file has it."""

    # What a later version of Evergreen adds to an answer is none of what is proven here.
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    name: Annotated[str, AfterValidator(_of_a_family)]
    passed: bool
    mode: Mode
    observed: float | None
    threshold: float | None
    interval: tuple[float, float] | None = None
    evidence: dict[str, Any] = {}

    @property
    def family(self) -> Family:
        """The family of the gate."""
        return Family(self.name.partition(":")[0])


_ANSWERS = TypeAdapter(list[Answer])


def answers_of(gates: dict[str, Any]) -> list[Answer]:
    """The answers in `gates`, the contents of `gates.json`; raises IntegrityError where they are none."""
    try:
        return _ANSWERS.validate_python(gates.get("gates"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        told = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise lie(f"holds no answers: {shorten(told)}") from None


def lie(what: str, *, where: str = GATES) -> IntegrityError:
    """`where` says `what`, which something else contradicts."""
    return IntegrityError(what, where=where, remedy="retrain, and look for who wrote to the ledger")
