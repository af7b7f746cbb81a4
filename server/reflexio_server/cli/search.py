"""`reflexio search`."""

from collections.abc import Mapping
from datetime import timedelta
from math import floor
from typing import Annotated, Any

import reflexio
import typer

from reflexio_server.cli.command import ApiKey, JsonLines, Since, Timeout, Until, Url, command_of, time_range
from reflexio_server.cli.connection import connected, say
from reflexio_server.cli.interaction_view import as_json, print_interactions
from reflexio_server.cli.rendering import counted, one_line, print_json


def command() -> Any:
    """The command, for the group of all commands."""
    return command_of(search)


def search(
    user: Annotated[str, typer.Argument(metavar="USER", help="Whose interactions to search.")],
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="A question or some words; without it the newest come back.")
    ] = "",
    *,
    top_k: Annotated[
        int, typer.Option("--top-k", "-k", metavar="N", min=1, max=1000, help="How many to return at most.")
    ] = 10,
    mode: Annotated[
        reflexio.SearchMode,
        typer.Option("--mode", help="Compare by meaning (vector), by words (fts), or by both (hybrid)."),
    ] = reflexio.SearchMode.HYBRID,
    session: Annotated[str | None, typer.Option("--session", metavar="ID", help="Only this session's.")] = None,
    request: Annotated[str | None, typer.Option("--request", metavar="ID", help="Only this request's.")] = None,
    role: Annotated[
        str | None, typer.Option("--role", metavar="ROLE", help="Only this role's, letter for letter.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="Only from this source, letter for letter.")
    ] = None,
    since: Since = None,
    until: Until = None,
    most_recent: Annotated[
        int | None,
        typer.Option(
            "--most-recent", metavar="N", min=1, help="Only the user's N newest, counted before the other conditions."
        ),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            "--min-score",
            metavar="SCORE",
            min=0,
            max=1,
            help="Only what reaches this score: 0.15 loses few right answers, 0.25 lets few wrong ones through.",
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what each score is made of, and how the query was understood.")
    ] = False,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Find a user's interactions by meaning, by words, or both: best first."""
    first, last = time_range(since, until)
    asked: dict[str, Any] = {
        "user_id": user,
        "query": query or None,
        "top_k": top_k,
        "search_mode": mode,
        "session_id": session,
        "request_id": request,
        "role": role,
        "source": source,
        "start_time": first,
        "end_time": last,
        "most_recent_k": most_recent,
        "min_score": min_score,
        "explain": explain,
    }
    with connected(url, api_key, timeout) as client:
        answer = client.search_interactions(**asked)
        nothing = "" if answer.interactions or json_lines else _why_nothing(client, asked)
    found = answer.interactions
    if json_lines:
        for interaction in found:
            print_json({**as_json(interaction), "score": interaction.score})
    elif found:
        print_interactions(found, scores=bool(query), explained=explain)
    else:
        say(nothing)
    if answer.interpretation is not None:
        say(_understood(answer.interpretation))
    if answer.not_yet_embedded_count:
        new = counted(answer.not_yet_embedded_count, "interaction is", "interactions are")
        say(f"{new} so new that only words were searched there.")
    if answer.set_aside_count:
        aside = counted(answer.set_aside_count, "interaction was", "interactions were")
        say(f"{aside} searched by words only, because the embedding model failed there.")
    if answer.words_only:
        say("Only words were searched: the embedding model failed on the query.")
    if answer.truncated:
        say("More were found, but together they would be too large for one answer; ask for fewer.")


def _why_nothing(client: reflexio.ReflexioClient, asked: Mapping[str, Any]) -> str:
    """What to say of a search that found nothing: it asks again for what was in the way."""
    user, min_score = asked["user_id"], asked["min_score"]
    if not client.get_interactions(user, top_k=1).interactions:
        return f"Nothing is stored for {one_line(user)!r}."
    if min_score:
        anyway = client.search_interactions(**{**asked, "min_score": None, "top_k": 1}).interactions
        if anyway and anyway[0].score is not None:
            # Cut instead of rounded: it must not look as if it reached what it does not.
            return f"Nothing reaches {min_score:g}; the best has {floor(anyway[0].score * 1000) / 1000:.3f}."
    return "Nothing found."


def _understood(interpretation: reflexio.QueryInterpretation) -> str:
    days = (
        f"{start:%Y-%m-%d}"
        if end - start == timedelta(days=1)
        else f"{start:%Y-%m-%d} to {end - timedelta(days=1):%Y-%m-%d}"
        for start, end in interpretation.spans
    )
    return f"Roles named: {', '.join(interpretation.roles) or 'none'}. Days named: {', '.join(days) or 'none'}."
