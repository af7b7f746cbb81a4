"""Passwords are asked for, or come on standard input: never as an argument, which every user of the machine can see."""

import sys
from typing import Annotated

import typer

from reflexio_server.cli.command import usage_error

FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, its first line.")
]


def asked_for(prompt: str, *, from_stdin: bool, confirm: bool = False) -> str:
    """A password.

    Args:
        prompt: What to ask a person for.
        from_stdin: Whether to read it from standard input and ask nobody.
        confirm: Whether to ask twice.

    Raises:
        typer.BadParameter: There is nothing on standard input.
    """
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise usage_error("--password-stdin", "there is no password on standard input")
        return password
    answer: str = typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    return answer
