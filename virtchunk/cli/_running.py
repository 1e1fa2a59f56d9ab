"""Running commands: an event loop of the user's choice, and failures told without a traceback."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, TypeVar

import anyio
import click
from rich.console import Console

from virtchunk.progress import ProgressBar

__all__ = ("INTERRUPTED", "backend_option", "bar", "failures_told", "quiet_option", "run")

T = TypeVar("T")

INTERRUPTED = 128 + 2
"""Exit code after Ctrl-C, as a shell reports a program that SIGINT ended."""

_CLICK_TELLS = (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError)
"""What click itself ends a program for, in its own words or without any."""

# By default trio raises KeyboardInterrupt between any two instructions of any task, be it in the
# middle of starting another one; asyncio has the main task cancelled. The latter is what we want.
_LOOP_OPTIONS: dict[str, dict[str, Any]] = {
    "asyncio": {},
    "trio": {"restrict_keyboard_interrupt_to_checkpoints": True},
}


def _check_backend(context: click.Context, parameter: click.Parameter, backend: str) -> str:
    if find_spec(backend) is None:
        raise click.UsageError(f"{backend} is not installed: pip install 'virtchunk[{backend}]'")
    return backend


backend_option = click.option(
    "--backend",
    type=click.Choice(list(_LOOP_OPTIONS)),
    default="asyncio",
    show_default=True,
    callback=_check_backend,
    help="The event loop that awaits chunks.",
)

quiet_option = click.option("-q", "--quiet", is_flag=True, help="Show no progress.")


def run(function: Callable[[], Awaitable[T]], backend: str) -> T:
    """Run an async function in a new event loop."""
    return anyio.run(function, backend=backend, backend_options=_LOOP_OPTIONS[backend])


def bar(description: str, quiet: bool) -> ProgressBar:
    """Make a progress bar that is shown on a terminal, and only there."""
    console = Console(stderr=True)
    console.quiet = quiet or not console.is_terminal
    return ProgressBar(description, console=console)


@contextmanager
def failures_told(traceback: bool) -> Iterator[None]:
    """Turn Ctrl-C into its exit code, and other errors into a message and exit code 1.

    Args:
        traceback: Whether to let errors through, for who wants to see where they come from.
    """
    try:
        yield
    except BaseException as error:
        first = _first(error)
        if isinstance(first, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            sys.exit(INTERRUPTED)
        if traceback or isinstance(first, _CLICK_TELLS) or not isinstance(first, Exception):
            raise
        raise click.ClickException(_told(first)) from None


def _first(error: BaseException) -> BaseException:
    """Return the first error of a group, but Ctrl-C if that is in it."""
    while isinstance(error, BaseExceptionGroup):
        interrupts, _ = error.split(KeyboardInterrupt)
        error = (interrupts or error).exceptions[0]
    return error


def _told(error: BaseException) -> str:
    """Return an error's message, its class, and where it happened."""
    message = str(error)
    # Errors of the operating system say what they are; others mean little without their class.
    kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: " if message else ""
    notes = getattr(error, "__notes__", ())
    return "\n".join([f"{kind}{message or type(error).__name__}", *notes])
