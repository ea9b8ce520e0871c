"""The link from a task of Airflow to the card of the version that it registered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink

from pipelines.config import settings

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

# On the operator, between the end of its work and the moment at which Airflow asks for its links.
PLACE = "evergreen_card"


class CardLink(BaseOperatorLink):
    """The button on the task's page. Airflow keeps its address with the try, so no page of Airflow runs this code."""

    name = "Model card"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """The card's address; empty where this try made none."""
        return str(getattr(operator, PLACE, ""))


def address(result: Mapping[str, Any]) -> str:
    """Where people's browsers find the card that a stage's result names; empty where it names none."""
    card = result.get("card")
    return f"{settings.load().mlflow_page}{card['page']}" if card else ""
