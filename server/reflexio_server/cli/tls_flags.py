"""The flags that say what a command trusts and shows when it speaks TLS: every command that has `--url` gets them."""

from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.main import get_command

if TYPE_CHECKING:
    import reflexio

TLS_FLAGS = {
    "ca_cert": "--ca-cert",
    "client_cert": "--client-cert",
    "client_key": "--client-key",
    "server_name": "--server-name",
}
"""The flag of each field of `reflexio.TlsOptions`."""

_given: ContextVar[dict[str, str]] = ContextVar("tls_flags")


def _option(name: str, metavar: str, text: str) -> Any:
    return typer.Option(TLS_FLAGS[name], metavar=metavar, show_default=f"REFLEXIO_{name.upper()}", help=text)


def _flags(
    ca_cert: Annotated[str, _option("ca_cert", "FILE", "The authorities to trust, as PEM.")] = "",
    client_cert: Annotated[str, _option("client_cert", "FILE", "The certificate to show, as PEM.")] = "",
    client_key: Annotated[str, _option("client_key", "FILE", "Its private key, as PEM.")] = "",
    server_name: Annotated[
        str, _option("server_name", "NAME", "The name that the server's certificate must have, if not the URL's.")
    ] = "",
) -> None:
    """Only its parameters are used: Typer makes options of them."""


def with_tls_flags(command: Any) -> Any:
    """The same command, or all of a group, with the flags."""
    for one in (*getattr(command, "commands", {}).values(), command):
        if any(parameter.name == "url" for parameter in one.params):
            one.params += _options()
    return command


def tls_options() -> "reflexio.TlsOptions | None":
    """What the flags of the command under way say; None where none was given."""
    # Not before: `reflexio serve` has to tell gRPC first that it is not to follow forks.
    from reflexio import TlsOptions  # noqa: PLC0415 - for that reason

    given = {name: value for name, value in _given.get({}).items() if value}
    return TlsOptions(**given) if given else None


def _options() -> list[Any]:
    app = typer.Typer(add_completion=False)
    app.command()(_flags)
    options = [option for option in get_command(app).params if option.name in TLS_FLAGS]
    for option in options:
        option.expose_value = False
        option.callback = _keep
    return options


def _keep(_context: Any, option: Any, value: str) -> None:
    _given.set({**_given.get({}), option.name: value})
