"""The `evergreen` command line: thin Typer commands, imported lazily."""
