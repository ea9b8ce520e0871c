"""Answers out of the ledger: who was champion when and why, where a version comes from, how a prediction came about."""
