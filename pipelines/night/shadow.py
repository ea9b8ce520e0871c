"""Which other version scores beside the champion: the one before it, or the newest challenger."""

from __future__ import annotations

from pipelines.config.settings import Settings
from pipelines.errors import InputError
from pipelines.ledger import runs
from pipelines.ledger.challengers import newest_passed
from pipelines.ledger.champion import Champion
from pipelines.ledger.git import Ledger
from pipelines.night.version import Named


def shadow_of(settings: Settings, ledger: Ledger, standing: Champion, mode: str) -> Named | None:
    """The version that shadows `standing` in this `mode` (off, previous, challenger); None: there is none.

    A challenger is the newest finished run that passed its gates, is not the champion and knows newer days than it.

    Raises:
        PassingFault: MLflow, which alone knows a challenger's version, does not answer.
    """
    if mode == "previous" and standing.previous is not None:
        before = standing.previous
        return Named(before.version, before.run, before.model_sha256, "shadow")
    if mode == "challenger":
        return _challenger(settings, ledger, standing)
    return None


def _challenger(settings: Settings, ledger: Ledger, standing: Champion) -> Named | None:
    from pipelines.registry import Registry

    newer = [run for run in runs.finished(ledger) if run[:10] > f"{standing.window.as_of}"]
    found = newest_passed(ledger, newer)
    if found is None:
        return None
    run, gates = found
    version = Registry.of(settings).version_of(ledger.model, f"runs/{run}")
    if version is None:
        raise InputError(f"run {run} has no version yet", where="shadow", remedy="its registration is under way")
    return Named(version, run, str(gates.get("model_sha256")), "shadow")
