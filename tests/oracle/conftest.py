"""The two modules that every comparison runs on."""

from __future__ import annotations

from typing import Any

import pytest

import virtchunk


@pytest.fixture(scope="session")
def original() -> Any:
    """The original; without it there is nothing to compare with."""
    return pytest.importorskip("tensorstore")


@pytest.fixture(scope="session")
def ours() -> Any:
    """The module that claims to do the same."""
    return virtchunk
