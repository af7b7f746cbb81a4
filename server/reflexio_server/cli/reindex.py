"""`reflexio reindex`."""

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Annotated, Any

import reflexio
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reflexio_server.cli.command import ApiKey, JsonLines, Timeout, Url, command_of, usage_error
from reflexio_server.cli.connection import connected, say, say_error
from reflexio_server.cli.rendering import one_line, print_json, print_line

_LOOK_SECONDS = 0.5
_MOST_SILENCE = 60.0
"""How long to wait for a server that does not answer: it may be restarted meanwhile."""

_GOES_ON = "What has begun goes on; `reflexio reindex` watches it again, and `reflexio reindex --cancel` gives it up."


def command() -> Any:
    """The command, for the group of all commands."""
    return command_of(reindex)


def reindex(
    *,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="MODEL",
            show_default="the server's REFLEXIO_EMBEDDING_MODEL",
            help="A name or a folder, as the server's setting takes it.",
        ),
    ] = "",
    cancel: Annotated[bool, typer.Option("--cancel", help="Give up the change that is under way.")] = False,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Embed everything with another model while the server serves, and switch to it when that is complete.

    Until then everything is answered with the former model. Ctrl-C stops watching; the work goes on, also when the
    server is restarted. Where keys are in use it needs an administrator's.
    """
    if cancel and model:
        raise usage_error("--cancel", "does not go together with --model")
    with connected(url, api_key, timeout) as client:
        if cancel:
            _cancel(client, json_lines=json_lines)
            return
        try:
            started = client.start_reindex(model)
            last = _watch_as_lines(client, started) if json_lines else _watch(client, started)
        except KeyboardInterrupt:
            say(_GOES_ON)
            raise typer.Exit(130) from None
    if last.state != "complete":
        say_error(f"the change to {started.embedding_model} was given up; the server's log says why")
        raise typer.Exit(1)
    if not json_lines:
        print_line(f"The embedding model is {last.embedding_model}.")


def _cancel(client: reflexio.ReflexioClient, *, json_lines: bool) -> None:
    answer = client.cancel_reindex()
    if json_lines:
        print_json(asdict(answer))
    elif answer.embedding_model is None:
        print_line("No change is under way.")
    else:
        print_line(f"Gave up the change to {answer.embedding_model}.")


def _watch_as_lines(client: reflexio.ReflexioClient, started: reflexio.Reindex) -> reflexio.Reindex:
    last = None
    for now in _states(client, started):
        if now != last:
            print_json(asdict(now))
        last = now
    return last or started


def _watch(client: reflexio.ReflexioClient, started: reflexio.Reindex) -> reflexio.Reindex:
    last = started
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr, markup=False, emoji=False, highlight=False)
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(one_line(started.embedding_model), total=None)
        for last in _states(client, started):
            done = min(last.done_count, last.total_count)
            progress.update(bar, completed=done, total=last.total_count or None)
    return last


def _states(client: reflexio.ReflexioClient, started: reflexio.Reindex) -> Iterator[reflexio.Reindex]:
    """How far it is, again and again; the last is `complete`, or `given up`."""
    now = started
    heard_at = time.monotonic()
    while True:
        yield now
        if now.state != "building":
            return
        time.sleep(_LOOK_SECONDS)
        try:
            info = client.server_info()
        except (reflexio.UnavailableError, reflexio.DeadlineExceededError):
            if time.monotonic() - heard_at > _MOST_SILENCE:
                raise
            continue
        heard_at = time.monotonic()
        if info.reindex is not None and info.reindex.embedding_model == started.embedding_model:
            now = info.reindex
        else:
            is_active = info.embedding_model == started.embedding_model
            now = replace(now, state="complete" if is_active else "given up")
