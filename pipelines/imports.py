"""What imports cost besides themselves: modules that nobody needs yet, and a collector that looks through them all."""

from __future__ import annotations

import atexit
import gc
import importlib.util
import sys
from functools import cache
from threading import RLock
from types import ModuleType
from typing import Any

_LOADING, _WAITS = RLock(), "_put_off"


class PutOff(ModuleType):
    """A module that is loaded when somebody asks for what is in it.

    importlib's own is loaded by `import name as it` too, which asks for no more than the module's specification.
    """

    def __getattr__(self, name: str) -> Any:
        with _LOADING:
            # Once: what it imports may ask for it while it is being loaded.
            if vars(self).pop(_WAITS, False):
                self.__spec__.loader.exec_module(self)  # type: ignore[union-attr]  # put_off has looked
                self.__class__ = ModuleType  # type: ignore[assignment]  # as any other from now on
        return ModuleType.__getattribute__(self, name)


def put_off(name: str) -> None:
    """Have the module `name` loaded when somebody first asks for something in it; imports its parents.

    For a module that a library imports and hardly ever uses. One that has been imported, or is not installed, stays as
    it is.
    """
    parent, _, child = name.rpartition(".")
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    module.__class__ = PutOff
    setattr(module, _WAITS, True)
    if parent:
        setattr(sys.modules[parent], child, module)


@cache
def set_aside() -> None:
    """Once a process: what was imported by now stays, and a collection that goes through it takes 0.4 s each time."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # else DuckDB, when it is unloaded, takes what holds its functions for leaks
