"""``python -m virtchunk``: the command line, or which extra it needs."""

from __future__ import annotations

import sys

__all__ = ("main",)


def main() -> None:
    """Run the command line; without the packages it is built on, name the extra that has them."""
    try:
        from virtchunk.cli import cli
    except ModuleNotFoundError as error:
        sys.exit(
            f"virtchunk: the command line needs the package {error.name!r}, which is not "
            "installed; install it with: pip install 'virtchunk[demo]'"
        )
    except KeyboardInterrupt:  # later ones are the command's own to handle
        sys.exit(130)
    cli(prog_name="virtchunk")


if __name__ == "__main__":
    main()
