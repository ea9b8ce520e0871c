"""Who approves a promotion, how long it may take, and when a champion is taken back by itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from pipelines.config.strict import Days, Strict, truth

# `true`, `yes` and their opposites mean the same.
Switch = Annotated[
    Literal["on", "off"], BeforeValidator(lambda value: {True: "on", False: "off"}.get(truth(value), value))
]
Approver = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Approval(Strict):
    """In `promotion: manual`: who may answer (nobody named: whoever may answer in Airflow), and until when.

    An approver is a user's name in Airflow, or its id. Who is silent for `deadline_hours` has rejected.
    """

    approvers: Annotated[tuple[Approver, ...], Field(strict=False, max_length=50)] = ()
    deadline_hours: Annotated[float, Field(ge=0.001, le=24 * 90)] = 72.0

    def allows(self, *names: str) -> bool:
        """Whether somebody with one of these names may answer."""
        return not self.approvers or bool(set(names) & set(self.approvers))


class Rollback(Strict):
    """With `automatic: on` a new champion is taken back where its first matured nights are worse than they would have
    been with the champion before, whose scores `monitoring.shadow: previous` keeps.

    Its main loss, over the matured days of its first `within_days`, must then be over that of the previous champion on
    the same rows by more than the share `worse_by`: of at least `min_days` days and `min_rows` rows.
    """

    automatic: Switch = "off"
    # 5 % of the loss: days differ by more, but both are judged on the same rows of the same days.
    worse_by: Annotated[float, Field(ge=0, le=100)] = 0.05
    within_days: Days = 14
    min_days: Annotated[int, Field(ge=1, le=60)] = 3
    min_rows: Annotated[int, Field(ge=1, le=10**12)] = 500
