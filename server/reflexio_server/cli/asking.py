"""Questions to a person, and what is said where nobody is there to answer."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from reflexio_server.cli.connection import say, say_error


def ask_whether(question: str) -> None:
    """Ask for a yes, on standard error: standard output is for the answer.

    Raises:
        typer.Abort: The answer is another.
        typer.Exit: There is none.
    """
    with instead_of_an_answer("--yes"):
        typer.confirm(question, abort=True, err=True)


@contextmanager
def instead_of_an_answer(remedy: str) -> Iterator[None]:
    """Where standard input is at its end before the answer has come, say what to give instead.

    Args:
        remedy: A flag.

    Raises:
        typer.Exit: That was so. The exit code is 2.
    """
    try:
        yield
    except typer.Abort as abort:
        if not isinstance(abort.__context__, EOFError):
            raise
        say("")  # The line of the question is open.
        say_error(f"there is nobody to ask; give {remedy}")
        raise typer.Exit(2) from None
