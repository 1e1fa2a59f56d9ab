"""Without the package that an extra installs, whatever needs it says which extra that is."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

import virtchunk as ts


@pytest.mark.parametrize(
    ("package", "extra", "use"),
    [
        ("dask.array", "dask", lambda view: view.to_dask()),
        ("dask.array", "dask", ts.from_dask),
        ("xarray", "xarray", lambda view: view.to_xarray()),
    ],
    ids=["to_dask", "from_dask", "to_xarray"],
)
def test_an_integration_names_the_extra_that_is_missing(
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    extra: str,
    use: Callable[[ts.TensorStore], object],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "virtchunk.xarray", raising=False)

    with pytest.raises(ImportError, match=rf"pip install 'virtchunk\[{extra}\]'"):
        use(ts.array(np.arange(3)))
