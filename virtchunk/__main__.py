"""``python -m virtchunk``: the command line, or which extra it needs."""

from __future__ import annotations

import sys

__all__ = ("main",)


def main() -> None:
    """Run the command line; if a package that it needs is missing, name the extra with it."""
    try:
        from virtchunk.cli import cli

        cli(prog_name="virtchunk")
    except ImportError as error:  # of a package; those of a command are the command's own
        sys.exit(
            f"virtchunk: the command line needs what cannot be imported ({error}): "
            "pip install 'virtchunk[cli]'"
        )
    except KeyboardInterrupt:  # while importing; later ones are the command's own to handle
        sys.exit(130)


if __name__ == "__main__":
    main()
