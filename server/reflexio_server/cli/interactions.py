"""`reflexio interactions`."""

from typing import Annotated, Any

import typer

from reflexio_server.cli.command import (
    ApiKey,
    JsonLines,
    Since,
    Timeout,
    Until,
    Url,
    command_of,
    time_range,
    usage_error,
)
from reflexio_server.cli.connection import connected, say
from reflexio_server.cli.interaction_view import as_json, print_interactions
from reflexio_server.cli.rendering import print_json


def command() -> Any:
    """The command, for the group of all commands."""
    return command_of(interactions)


def interactions(
    user: Annotated[str | None, typer.Argument(metavar="USER", help="Whose interactions to list.")] = None,
    *,
    every_user: Annotated[
        bool, typer.Option("--all", help="Every user's; needs an administrator's key where keys are in use.")
    ] = False,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="How many to list at most.")] = 30,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """List the interactions of USER, or with --all those of every user, newest first."""
    if every_user == (user is not None):
        raise usage_error("USER", "give either a user, or --all for every user's interactions")
    if every_user and (since or until):
        raise usage_error("--since or --until", "narrows the interactions of one user, and cannot go with --all")
    first, last = time_range(since, until)
    with connected(url, api_key, timeout) as client:
        if user is None:
            found = client.get_all_interactions(limit=limit).interactions
        else:
            found = client.get_interactions(user, start_time=first, end_time=last, top_k=limit).interactions
    if json_lines:
        for interaction in found:
            print_json(as_json(interaction))
    elif found:
        print_interactions(found, users=every_user)
    else:
        say("No interactions.")
