"""Sends a model's alerts, by what its `model.yaml` says of channels."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.alerts import channels
from pipelines.alerts.deliver import Delivered, deliver
from pipelines.config.load import find_model, load_model
from pipelines.config.settings import Settings
from pipelines.ledger.git import Ledger


def send(settings: Settings, model: str, say: Callable[[str], None]) -> Delivered:
    """Send what waits in the outbox of `model`; without channels it stays there, to be read by `evergreen alerts`.

    Raises:
        ConfigError: the model folder, or its secret with the channels, is wrong.
        PassingFault: the ledger cannot be reached.
    """
    secret = load_model(find_model(settings.models, model)).alerts.urls_secret
    ledger = Ledger.open(settings, model)
    found = channels.read(settings, secret) if secret else ()
    return deliver(ledger, found, say)
