"""One module a stage; each a pure core and a thin `main` that reads and writes. A stage imports no other."""
