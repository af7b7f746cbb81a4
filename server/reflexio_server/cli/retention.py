"""`reflexio retention`."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import typer

from reflexio_server.cli.asking import ask_whether
from reflexio_server.cli.command import ApiKey, JsonDocument, Timeout, Url, group_of
from reflexio_server.cli.connection import connected
from reflexio_server.cli.rendering import print_json, print_line

_DAY = timedelta(days=1)


def command() -> Any:
    """The group of commands, for the group of all commands."""
    functions: dict[str, Callable[..., None]] = {"show": show, "set": set_, "off": off}
    return group_of(functions, "Show or set for how long data is kept.")


def show(*, url: Url = "", api_key: ApiKey = "", timeout: Timeout = None, json_document: JsonDocument = False) -> None:
    """Say for how long data is kept."""
    with connected(url, api_key, timeout) as client:
        _show(client.get_retention(), json_document=json_document)


def set_(
    days: Annotated[float, typer.Argument(metavar="DAYS", help="From 0.05 to 36500.", min=0.05, max=36_500)],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_document: JsonDocument = False,
) -> None:
    """Delete requests with their interactions DAYS after they were stored, from now on and in the background.

    Where keys are in use it needs an administrator's.
    """
    with connected(url, api_key, timeout) as client:
        if not yes:
            ask_whether(f"Delete what was stored more than {days:g} days ago at {client.url_endpoint}, now and always?")
        _show(client.set_retention(days * _DAY), json_document=json_document)


def off(*, url: Url = "", api_key: ApiKey = "", timeout: Timeout = None, json_document: JsonDocument = False) -> None:
    """Keep everything for ever.

    Where keys are in use it needs an administrator's.
    """
    with connected(url, api_key, timeout) as client:
        _show(client.set_retention(None), json_document=json_document)


def _show(max_age: timedelta | None, *, json_document: bool) -> None:
    if json_document:
        print_json({"max_age_seconds": max_age.total_seconds() if max_age is not None else None})
    elif max_age is None:
        print_line("everything is kept for ever")
    else:
        print_line(f"requests are deleted {max_age / _DAY:g} days after they were stored")
