"""The command line: ``info``, ``read``, ``copy`` and ``demo``. Needs ``virtchunk[cli]``."""

from virtchunk.cli._commands import cli

__all__ = ("cli",)
