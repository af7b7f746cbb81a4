"""`reflexio delete`."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import reflexio
import typer

from reflexio_server.cli.command import ApiKey, JsonLines, Timeout, Url, group_of
from reflexio_server.cli.connection import connected
from reflexio_server.cli.rendering import print_json, print_line

_Answer = (
    reflexio.DeleteInteractionResponse
    | reflexio.DeleteRequestResponse
    | reflexio.DeleteRequestsByIdsResponse
    | reflexio.DeleteSessionResponse
    | reflexio.DeleteAllInteractionsResponse
)


def command() -> Any:
    """The group of commands, for the group of all commands."""
    functions: dict[str, Callable[..., None]] = {
        "interaction": interaction,
        "request": request,
        "session": session,
        "all": everything,
    }
    return group_of(functions, "Delete interactions, requests, sessions or everything. What is not there is no error.")


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


def everything(
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
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
            # On standard error: standard output is for the answer.
            typer.confirm(f"Delete everything of every user at {client.url_endpoint}?", abort=True, err=True)
        _show(client.delete_all_interactions(), json_lines=json_lines)


def _show(answer: _Answer, *, json_lines: bool) -> None:
    if json_lines:
        print_json(asdict(answer))
    else:
        print_line(answer.message)
