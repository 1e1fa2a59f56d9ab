"""What every example finds: ``ts`` and ``np`` in docstrings, top-level ``await`` in Markdown.

Docstrings are run by ``--doctest-modules``, README.md and docs/ by Sybil. Each Markdown file is one
session: a block sees the names that the blocks above it defined, and imports what it uses.
"""

from __future__ import annotations

import ast
import doctest
import inspect
from typing import Any

import anyio
import numpy as np
import pytest
import sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

import virtchunk

collect_ignore = ["docs/conf.py"]  # not an example, and Sphinx may not be installed


@pytest.fixture(autouse=True)
def _names_in_docstrings(doctest_namespace: dict[str, Any]) -> None:
    doctest_namespace.update(ts=virtchunk, np=np)


def run_block(example: sybil.Example) -> None:
    """Run one block of Python; a block that awaits gets an event loop, as in a notebook."""
    line = example.line + example.parsed.line_offset
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile("\n" * line + example.parsed, example.path, "exec", flags, dont_inherit=True)
    if not code.co_flags & inspect.CO_COROUTINE:
        exec(code, example.namespace)
        return

    async def main() -> None:
        await eval(code, example.namespace)

    anyio.run(main)


python = PythonCodeBlockParser(doctest_optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
python.codeblock_parser = CodeBlockParser("python", run_block)

pytest_collect_file = sybil.Sybil(
    parsers=[python, SkipParser()], patterns=["README.md", "docs/*.md"]
).pytest()
