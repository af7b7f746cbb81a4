"""`reflexio audit`."""

from dataclasses import asdict
from typing import Annotated, Any

import reflexio
import typer

from reflexio_server.cli.command import ApiKey, JsonLines, Timeout, Url, command_of
from reflexio_server.cli.connection import connected, say
from reflexio_server.cli.rendering import Column, one_line, print_json, print_table
from reflexio_server.cli.times import show_moment

_COLUMNS = (
    Column("WHEN"),
    Column("WHO", widest=40),
    Column("BY", widest=30),
    Column("FROM"),
    Column("ACTION"),
    Column("ENDED"),
    Column("ON", flexible=True),
)


_MOST_LOOKED_AT = 1000
"""Among how many of the newest events to look for the names of actions."""


def command() -> Any:
    """The command, for the group of all commands."""
    return command_of(audit)


def audit(
    *,
    action: Annotated[str, typer.Option("--action", metavar="ACTION", help="Only this: login, erase_user…")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="How many at most.")] = 100,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """List what administrators of your organisation did, and who logged in or tried to, newest first.

    Needs an administrator's key.
    """
    with connected(url, api_key, timeout) as client:
        events = client.list_audit_events(action or None, limit)
        if action and not (events or json_lines):
            say(_other_actions(client, action))
    if json_lines:
        for event in events:
            print_json(asdict(event))
        return
    rows = (
        (show_moment(e.occurred_at), e.actor, e.credential, e.address, e.action, e.outcome, e.target) for e in events
    )
    print_table(_COLUMNS, rows)


def _other_actions(client: reflexio.ReflexioClient, action: str) -> str:
    actions = sorted({event.action for event in client.list_audit_events(None, _MOST_LOOKED_AT)})
    known = f"; recorded lately: {', '.join(actions)}" if actions else ""
    return f"Nothing is recorded of the action {one_line(action)!r}{known}."
