"""One model's ledger: Git refs, leases, DVC bytes. Importing this is cheap; DVC is loaded where bytes move."""

from pipelines.ledger.git import Ledger

__all__ = ["Ledger"]
