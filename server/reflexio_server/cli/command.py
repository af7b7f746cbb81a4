"""What the modules of the commands have in common: how a function becomes a command, and its options."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from reflexio_server.cli.times import FORMS, last_moment, parse_moment
from reflexio_server.cli.tls_flags import with_tls_flags

_ROLES = ("reader", "member", "admin")


class _Command(TyperCommand):
    """Says of words that are too many what they are likely to be: a text that the shell took apart."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.allow_extra_args = True
        extra = super().parse_args(ctx, args)
        if extra and not ctx.resilient_parsing:
            ctx.fail(f"Got more than it takes: {' '.join(extra)}; put a text of several words in quotes")
        return extra


def command_of(function: Callable[..., None]) -> Any:
    """The command that Typer makes of a function: its parameters are the flags, its docstring is the help."""
    app = _app()
    app.command(function.__name__, cls=_Command)(function)
    return with_tls_flags(get_command(app))


def group_of(functions: Mapping[str, Callable[..., None]], summary: str) -> Any:
    """A command that has commands: one for each function, under its name."""
    app = _app(no_args_is_help=True, help=summary)
    app.callback()(lambda: None)
    for name, function in functions.items():
        app.command(name, cls=_Command)(function)
    return with_tls_flags(get_command(app))


def _app(**attributes: Any) -> typer.Typer:
    # The plain help: Rich's boxes cut the names of flags and variables at the usual eighty columns.
    context = {"max_content_width": 120}
    return typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=context, **attributes)


def usage_error(flag: str, problem: str) -> typer.BadParameter:
    """The error for a value that an option or argument does not take; ends the command with exit code 2."""
    return typer.BadParameter(problem, param_hint=flag)


def _moment(*, end_of_day: bool) -> Callable[[Any], datetime]:
    def parse(value: Any) -> datetime:
        try:
            return parse_moment(value, end_of_day=end_of_day)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return parse


# The client reads the variables of these two: it says which of them a wrong value came from.
Url = Annotated[
    str,
    typer.Option(
        "--url",
        metavar="URL",
        show_default="REFLEXIO_API_URL, REFLEXIO_URL or http://localhost:8081",
        help="The server: http://host:port, https://host:port, host:port, unix:PATH or any gRPC target.",
    ),
]
ApiKey = Annotated[
    str,
    typer.Option(
        "--api-key",
        metavar="KEY",
        show_default="REFLEXIO_API_KEY, else that of `reflexio login`",
        help="Your API key. Other users of the machine can see it here; the variable and the login are for that.",
    ),
]
Organization = Annotated[
    str,
    typer.Option(
        "--organization", metavar="NAME", help="Where your address has an older account in another organisation."
    ),
]
Role = Annotated[str, typer.Option("--role", metavar="ROLE", show_default="member", help="reader, member or admin.")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", metavar="SECONDS", min=0.001, help="How long one call may take.")
]
Since = Annotated[
    datetime | None,
    typer.Option("--since", metavar="TIME", parser=_moment(end_of_day=False), help=f"Not before: {FORMS}."),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        "--until", metavar="TIME", parser=_moment(end_of_day=True), help="Not after; a date means its whole day."
    ),
]
JsonLines = Annotated[
    bool, typer.Option("--json", help="Write JSON Lines: one object for each, nothing cut, times in seconds.")
]
JsonDocument = Annotated[bool, typer.Option("--json", help="Write one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, and no word of what went well.")]


def time_range(since: datetime | None, until: datetime | None) -> tuple[datetime | None, datetime | int | None]:
    """What `--since` and `--until` give, for the client: both ends inclusive.

    Raises:
        typer.BadParameter: The range ends before it begins.
    """
    if since is not None and until is not None and until < since.replace(microsecond=0):
        raise usage_error("--until", "is before --since")
    return since, last_moment(until)


def role_or_none(role: str, flag: str = "--role") -> str | None:
    """What `--role` gives, or an argument that is called `flag`.

    Raises:
        typer.BadParameter: There is no such role.
    """
    if role and role.lower() not in _ROLES:
        raise usage_error(flag, f"must be one of {', '.join(_ROLES)}, not {role}")
    return role.lower() or None
