"""The backends each async test runs on, and how long Hypothesis searches."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import hypothesis
import pytest


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Keep ``--doctest-modules`` from importing the helpers beside the tests."""
    is_test = collection_path.name.startswith("test_")
    return True if collection_path.suffix == ".py" and not is_test else None


HAS_TRIO = importlib.util.find_spec("trio") is not None

hypothesis.settings.register_profile("dev", max_examples=30, deadline=None)
hypothesis.settings.register_profile(
    "ci", max_examples=100, deadline=None, derandomize=True, print_blob=True
)
hypothesis.settings.register_profile("long", max_examples=5_000, deadline=None)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)


def eager_loop() -> asyncio.AbstractEventLoop:
    """An asyncio loop whose tasks start running before ``create_task`` returns."""
    loop = asyncio.new_event_loop()
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
    return loop


def backends() -> list[str]:
    """The backends every async test runs on; trio only where it is installed."""
    names = ["asyncio", "asyncio-debug"]
    if sys.version_info >= (3, 12):
        names.append("asyncio-eager")
    if HAS_TRIO:
        names.append("trio")
    return names


@pytest.fixture(scope="module", params=backends())
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Run an async test once on every backend.

    A test about time asks for a clock that jumps to the next deadline when all tasks wait, so that
    ``sleep(1000)`` is instant and exact (it does not wait for worker threads)::

        @pytest.mark.parametrize("anyio_backend", ["trio-virtual-time"], indirect=True)
    """
    match request.param:
        case "asyncio":
            return "asyncio", {}
        case "asyncio-debug":
            return "asyncio", {"debug": True}
        case "asyncio-eager":
            return "asyncio", {"loop_factory": eager_loop}
        case "trio":
            return "trio", {}
        case "trio-virtual-time":
            testing = pytest.importorskip("trio.testing")
            return "trio", {"clock": testing.MockClock(autojump_threshold=0)}
    raise ValueError(f"anyio_backend: no backend is named {request.param!r}")
