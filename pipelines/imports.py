"""What imports cost besides themselves: modules that nobody needs yet, and a collector that looks through them all."""

from __future__ import annotations

import atexit
import gc
import importlib.util
import sys
from functools import cache


def put_off(name: str) -> None:
    """Have the module `name` loaded when somebody first asks for something in it; imports its parents.

    For a module that a library imports and hardly ever uses. One that has been imported, or is not installed, stays as
    it is.
    """
    parent, _, child = name.rpartition(".")
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if parent:
        setattr(sys.modules[parent], child, module)


@cache
def set_aside() -> None:
    """Once a process: what was imported by now stays, and a collection that goes through it takes 0.4 s each time."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # else DuckDB, when it is unloaded, takes what holds its functions for leaks
