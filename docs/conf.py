"""How Sphinx builds these pages; every warning is an error (nox session `docs`)."""

from __future__ import annotations

project = "virtchunk"
author = "the virtchunk maintainers"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "virtchunk"

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "undoc-members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# Names of other projects: their pages are not read at build time, which needs no network.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(anyio|attr|attrs|collections|concurrent|contextvars|np|npt|numpy|typing)\..*"),
    ("py:.*", r"[a-z_]+"),  # builtins
]
