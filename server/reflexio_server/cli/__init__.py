"""The command line `reflexio`.

A command's module is imported when the command is called, and no sooner: help is quick, and only `reflexio serve`
needs the server's packages.
"""

import importlib
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from reflexio_server import __version__

_SUMMARIES = {
    "serve": "Run the service.",
    "status": "Say whether a server answers, and what it is.",
    "health": "Say whether a server answers calls, for a watch to run.",
    "publish": "Store interactions from flags, a file or standard input.",
    "search": "Find a user's interactions by meaning and by words.",
    "interactions": "List the interactions of a user, or of everybody.",
    "sessions": "List requests with their interactions, by session.",
    "delete": "Delete interactions, requests, sessions or users.",
    "export": "Write everything that was published to a file.",
    "import": "Store what was exported, under its ids and times.",
    "retention": "Show or set for how long data is kept.",
    "login": "Log in, and keep the key for later commands.",
    "logout": "Revoke and forget the key of a login.",
    "keys": "Make, list and revoke API keys.",
    "accounts": "Make, list and change the accounts of your organisation.",
    "organizations": "Make and list organisations.",
    "certificates": "Say for whom URIs in client certificates stand.",
    "audit": "List what administrators did, and who logged in.",
    "admin": "Make the first administrator, on the database itself.",
    "reindex": "Change to another embedding model while the server serves.",
}

_NEED_THE_SERVER = {"serve", "admin"}

_MODULES = {"import": "import_"}
"""Where a command's module cannot have its name."""

_RULES = {
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be on or off",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "value_error": "{error}",
}
"""What is wrong with a value, by the names that pydantic has for it, with which Typer reads values."""


_UsageError: Any = typer.BadParameter.__base__
"""Where Typer has it from depends on its version."""


class _Commands(TyperGroup):
    """Lists the commands without their modules, and loads the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands.update({name: TyperCommand(name, help=summary) for name, summary in _SUMMARIES.items()})

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except _UsageError as error:
            error.message = _in_our_words(error)
            raise

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except _UsageError as error:
            error.message = _in_our_words(error)
            raise

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if args[0] == "help":
            if len(args) == 1:
                typer.echo(ctx.get_help())
                ctx.exit()
            args = [*args[1:], "--help"]
        name, command, rest = super().resolve_command(ctx, args)
        if command is None:
            return name, command, rest
        try:
            module = importlib.import_module(f"{__name__}.{_MODULES.get(name or '', name)}")
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("reflexio"):
                raise
            extra = "server" if name in _NEED_THE_SERVER else "cli"
            how = f"pip install '.[{extra}]' in a checkout of Reflexio"
            typer.echo(f"reflexio {name} needs more packages: {how}", err=True)
            raise typer.Exit(2) from None
        return name, module.command(), rest


def _is_unknown_option(error: Any) -> bool:
    return hasattr(error, "possibilities") and hasattr(error, "option_name")


def _in_our_words(error: Any) -> str:
    if _is_unknown_option(error):
        return _about_unknown_option(error)
    found: list[dict[str, Any]] = getattr(error.__cause__, "errors", list)()
    if not found or found[0]["type"] not in _RULES:
        return str(error.message)
    return _RULES[found[0]["type"]].format(**found[0].get("ctx", {}))


def _about_unknown_option(error: Any) -> str:
    if hasattr(error.ctx.command, "commands"):
        return f"{error.message}; options go after the command: {error.ctx.command_path} COMMAND {error.option_name}"
    arguments = {param.name: param for param in error.ctx.command.params if param.param_type_name == "argument"}
    argument = arguments.get(error.option_name.lstrip("-").replace("-", "_"))
    if argument is None:
        return str(error.message)
    error.possibilities = None
    return f"{error.message}; {argument.metavar} is an argument: give it without {error.option_name}"


app = typer.Typer(
    cls=_Commands,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 120, "help_option_names": ["--help", "-h"]},
    epilog="Each command has its own --help. Exit codes: 0 done, 1 failed, 2 called wrongly, 130 interrupted.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"reflexio {__version__}")
        raise typer.Exit


@app.callback()
def _reflexio(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Remember what users and agents say, and find it again by meaning."""
