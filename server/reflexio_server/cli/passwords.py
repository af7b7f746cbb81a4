"""Passwords are asked for, or come on standard input: never as an argument, which every user of the machine can see."""

import sys
import warnings
from getpass import GetPassWarning
from typing import Annotated

import typer

from reflexio_server.cli.asking import instead_of_an_answer
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
        typer.BadParameter: There is nothing on standard input, where it was to be read.
        typer.Exit: Nobody answers.
    """
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise usage_error("--password-stdin", "there is no password on standard input")
        return password
    with instead_of_an_answer("the password on standard input, with --password-stdin"), warnings.catch_warnings():
        warnings.simplefilter("ignore", GetPassWarning)  # Where there is no terminal it is said on standard error too.
        answer: str = typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    return answer
