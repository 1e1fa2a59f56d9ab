"""How Sphinx builds these pages; every warning is an error (nox session `docs`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sphinx.ext import napoleon

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "virtchunk"
author = "the virtchunk maintainers"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "virtchunk"

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

nitpicky = True
nitpick_ignore_regex = [
    # Names of other projects: their pages are not read at build time, which needs no network.
    ("py:.*", r"(anyio|asyncio|attr|collections|concurrent|contextvars|dask|np|npt|numpy)\..*"),
    ("py:.*", r"(rich|xarray|zarr)\..*"),
    ("py:.*", r"(types|typing|typing_extensions)\..*"),
    ("py:.*", r"(builtins\.)?[a-z_]+"),
    # Types that a signature names and that have no page of their own.
    ("py:.*", r"virtchunk\._.*"),
    # Names that only a type checker resolves.
    ("py:.*", r"[A-Z]\w*"),
    # What stands before a colon in a "Returns" section, when it is prose.
    ("py:class", r".* .*"),
]


def setup(app: Sphinx) -> None:
    """Read docstrings in Google style.

    What napoleon does as an extension, but for one thing: the docstring of a property is prose like
    that of a method, in which the first colon does not announce a type.
    """

    def convert(
        app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]
    ) -> None:
        what = "method" if what in {"attribute", "property"} else what
        napoleon._process_docstring(app, what, name, obj, options, lines)

    for name, *definition in napoleon.Config._config_values:
        app.add_config_value(name, *definition)
    app.connect("autodoc-process-docstring", convert)
