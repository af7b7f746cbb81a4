"""`reflexio delete`."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import reflexio
import typer

from reflexio_server.cli.asking import ask_whether
from reflexio_server.cli.command import ApiKey, JsonLines, Timeout, Url, group_of
from reflexio_server.cli.connection import connected
from reflexio_server.cli.rendering import one_line, print_json, print_line

_Answer = (
    reflexio.DeleteInteractionResponse
    | reflexio.DeleteRequestResponse
    | reflexio.DeleteRequestsByIdsResponse
    | reflexio.DeleteSessionResponse
    | reflexio.EraseUserResponse
    | reflexio.DeleteAllInteractionsResponse
)

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def command() -> Any:
    """The group of commands, for the group of all commands."""
    functions: dict[str, Callable[..., None]] = {
        "interaction": interaction,
        "request": request,
        "session": session,
        "user": user,
        "all": everything,
    }
    summary = "Delete interactions, requests, sessions, users or everything. What is not there is no error."
    return group_of(functions, summary)


def interaction(
    user: Annotated[str, typer.Argument(metavar="USER", help="Whose interactions they are.")],
    ids: Annotated[list[int], typer.Argument(metavar="ID", min=1, help="Which ones.")],
    *,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Delete interactions of USER. Their requests stay, empty if these were the last."""
    with connected(url, api_key, timeout) as client:
        for interaction_id in ids:
            answer = client.delete_interaction(user, interaction_id, wait_for_response=True)
            _show(answer, json_lines=json_lines)


def request(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Which ones.")],
    *,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Delete requests with their interactions.

    All of those that exist go at once, or none if that fails.
    """
    with connected(url, api_key, timeout) as client:
        _show(client.delete_requests_by_ids(ids), json_lines=json_lines)


def session(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Which ones.")],
    *,
    user: Annotated[
        str | None, typer.Option("--user", metavar="USER", help="Only this user's part; else every user's.")
    ] = None,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Delete sessions with their requests and interactions."""
    with connected(url, api_key, timeout) as client:
        for session_id in ids:
            answer = client.delete_session(session_id, wait_for_response=True, user_id=user)
            _show(answer, json_lines=json_lines)


def user(
    name: Annotated[str, typer.Argument(metavar="USER", help="Who.")],
    *,
    yes: Yes = False,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Erase everything that belongs to USER, at once and for good.

    Where keys are in use it needs an administrator's.
    """
    with connected(url, api_key, timeout) as client:
        if not yes:
            ask_whether(f"Erase everything of user {one_line(name)!r} at {client.url_endpoint}?")
        _show(client.erase_user(name), json_lines=json_lines)


def everything(
    *,
    yes: Yes = False,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Delete every request and interaction of every user.

    Where keys are in use it needs an administrator's.
    """
    with connected(url, api_key, timeout) as client:
        if not yes:
            ask_whether(f"Delete everything of every user at {client.url_endpoint}?")
        _show(client.delete_all_interactions(), json_lines=json_lines)


def _show(answer: _Answer, *, json_lines: bool) -> None:
    if json_lines:
        print_json(asdict(answer))
    else:
        print_line(answer.message)
