"""Alerts: from the ledger's outbox to the channels that people read, by URL. Light: Airflow's side sends them."""
