"""`reflexio sessions`."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Annotated, Any

import reflexio
import typer
from rich.text import Text

from reflexio_server.cli.command import ApiKey, JsonLines, Since, Timeout, Until, Url, command_of, time_range
from reflexio_server.cli.connection import connected, say
from reflexio_server.cli.interaction_view import as_json, summary
from reflexio_server.cli.rendering import one_line, print_json, print_lines
from reflexio_server.cli.times import show_moment


def command() -> Any:
    """The command, for the group of all commands."""
    return command_of(sessions)


def sessions(
    *,
    user: Annotated[str | None, typer.Option("--user", metavar="USER", help="Only this user's.")] = None,
    session: Annotated[str | None, typer.Option("--session", metavar="ID", help="Only this session.")] = None,
    request: Annotated[str | None, typer.Option("--request", metavar="ID", help="Only this request.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, help="How many requests to list at most.")
    ] = 30,
    offset: Annotated[
        int, typer.Option("--offset", metavar="N", min=0, help="How many requests to pass over first.")
    ] = 0,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """List requests with their interactions, grouped by session, newest first."""
    first, last = time_range(since, until)
    with connected(url, api_key, timeout) as client:
        answer = client.get_requests(
            user_id=user,
            session_id=session,
            request_id=request,
            start_time=first,
            end_time=last,
            top_k=limit,
            offset=offset,
        )
    if json_lines:
        for found in answer.sessions:
            print_json(_as_json(found))
    elif answer.sessions:
        print_lines(_lines(answer.sessions))
        if answer.has_more:
            say(f"There are more: go on with --offset {offset + limit}.")
    else:
        say("No requests.")


def _lines(found: Iterable[reflexio.SessionData]) -> Iterator[Text]:
    for session in found:
        yield Text(f"Session {one_line(session.session_id)}" if session.session_id else "Without a session", "bold")
        for published in session.requests:
            request = published.request
            origin = (request.request_id, show_moment(request.created_at), request.user_id, request.source)
            yield Text("  " + "  ".join(one_line(part) for part in origin if part))
            for interaction in published.interactions:
                said = f"{interaction.interaction_id}  {interaction.role}: {summary(interaction)}"
                yield Text(f"    {one_line(said)}")


def _as_json(session: reflexio.SessionData) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "requests": [
            {
                "request": asdict(published.request),
                "interactions": [as_json(interaction) for interaction in published.interactions],
            }
            for published in session.requests
        ],
    }
