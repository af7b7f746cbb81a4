"""The progress bar of a command that takes a while: on standard error, and only where that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class LateTotal:
    """How much there is to do, where that is known only after the bar has begun."""

    def __init__(self) -> None:
        self.becomes: Callable[[int], object] = lambda _: None
        """To be called with it."""


@contextmanager
def progress_bar(what: str, total: int | LateTotal | None, *, shown: bool) -> Iterator[Callable[[int], object]]:
    """A bar for the length of the block.

    Args:
        what: What is being done.
        total: How much there is to do; None where nobody knows.
        shown: Whether to show it, where standard error is a terminal.

    Yields:
        What to call with how much was done.
    """
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    disabled = not (shown and sys.stderr.isatty())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=disabled) as progress:
        task = progress.add_task("", total=None if isinstance(total, LateTotal) else total)
        if isinstance(total, LateTotal):
            total.becomes = lambda known: progress.update(task, total=known)
        yield lambda done: progress.advance(task, done)
