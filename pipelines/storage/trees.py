"""XGBoost, imported without scikit-learn: two thirds of its import, which only its estimators, not used here, need.

A model's bytes are the same either way. Whoever needs scikit-learn imports it, before or afterwards, as ever.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

_UNUSED = "sklearn"


@cache
def xgboost() -> Any:
    """The module `xgboost`."""
    # What stands as None in sys.modules is taken for not installed.
    hidden = _UNUSED not in sys.modules and "xgboost" not in sys.modules
    if hidden:
        sys.modules[_UNUSED] = None  # type: ignore[assignment]
    try:
        import xgboost as library
    finally:
        if hidden:
            del sys.modules[_UNUSED]
    return library
