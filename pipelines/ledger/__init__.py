"""The ledger: Git refs, leases, runs, champions and the DVC bytes behind them."""
