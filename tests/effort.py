"""How much tests try: a sample of each kind, or all with `REFLEXIO_LONG_TESTS` (`make test-long`)."""

import os
from collections.abc import Iterable
from typing import Any

import pytest

LONG = bool(os.environ.get("REFLEXIO_LONG_TESTS"))


def only_long(*cases: Any) -> list[Any]:
    """Cases for the long run."""
    reason = "REFLEXIO_LONG_TESTS runs it"
    return [pytest.param(*_values(case), marks=pytest.mark.skipif(not LONG, reason=reason)) for case in cases]


def _values(case: Any) -> Iterable[Any]:
    return case if isinstance(case, tuple) else (case,)
