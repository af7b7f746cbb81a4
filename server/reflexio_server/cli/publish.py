"""`reflexio publish`."""

import base64
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import reflexio
import typer

from reflexio_server.cli.command import ApiKey, JsonLines, Timeout, Url, command_of, usage_error
from reflexio_server.cli.connection import connected, say
from reflexio_server.cli.importing import Answer, Importer, size_of
from reflexio_server.cli.publications import Entry, Reader
from reflexio_server.cli.rendering import print_json, print_line


def command() -> Any:
    """The command, for the group of all commands."""
    return command_of(publish)


def publish(
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT|-", help="What was said; or - to read JSON from standard input.")
    ] = None,
    *,
    user: Annotated[
        str,
        typer.Option("--user", "-u", metavar="USER", show_default=False, help="Whose it is."),
    ] = "",
    role: Annotated[str | None, typer.Option("--role", metavar="ROLE", help="Who spoke or acted; else User.")] = None,
    content: Annotated[str | None, typer.Option("--content", metavar="TEXT", help="The same as TEXT.")] = None,
    action: Annotated[reflexio.UserActionType | None, typer.Option("--action", help="What the user did.")] = None,
    action_description: Annotated[
        str | None, typer.Option("--action-description", metavar="TEXT", help="What the action was about.")
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            "--image", metavar="FILE", exists=True, dir_okay=False, readable=True, help="A PNG, JPEG, GIF or WebP file."
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE",
            help="Publish what this JSON or JSON Lines file holds; - is standard input.",
        ),
    ] = None,
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", show_default=False, help="Where it comes from.")
    ] = "",
    agent_version: Annotated[
        str,
        typer.Option(
            "--agent-version", metavar="VERSION", show_default=False, help="Which version of the agent took part."
        ),
    ] = "",
    session: Annotated[
        str, typer.Option("--session", metavar="ID", show_default=False, help="The conversation it belongs to.")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until each publish is embedded and learned from.")] = False,
    idempotency_key: Annotated[
        str,
        typer.Option(
            "--idempotency-key",
            metavar="KEY",
            show_default=False,
            help="Repeating the command with the same key stores nothing more.",
        ),
    ] = "",
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Store what was said or done: one interaction from the flags, or many from a file or standard input.

    JSON Lines has one publish on each line, {"user_id": "ann", "session_id": "s1", "interactions": [{"role": "User",
    "content": "Hello"}]}, or one interaction, {"role": "User", "content": "Hello"}, which is a publish of its own. A
    JSON document is one of either, or a list. --user, --source, --agent-version and --session hold for lines that do
    not say otherwise. An interaction has the fields of the Python client; created_at may be seconds or an ISO time.

    Lines are published in their order, up to the first that is refused. A file may then be mended and published
    again: what is stored is not stored twice, within seven days, because each line has an idempotency key made of
    its content, its file's path and KEY. Standard input and pipes have such keys only with --idempotency-key.
    """
    own = {
        "role": role,
        "content": text if content is None else content,
        "user_action": action,
        "user_action_description": action_description,
        "image_encoding": base64.b64encode(image.read_bytes()).decode() if image else None,
    }
    interaction = {name: value for name, value in own.items() if value is not None}
    everywhere = {"user_id": user, "source": source, "agent_version": agent_version, "session_id": session}
    shared: dict[str, Any] = {name: value for name, value in everywhere.items() if value}
    path = "-" if file is None and text == "-" and content is None else file
    _check_usage(path, text, content, interaction, user)
    with _opened(path) as stream, connected(url, api_key, timeout) as client:
        if stream is None:
            key = idempotency_key or None
            answer = client.publish_interaction(
                **shared, interactions=[interaction], wait_for_response=wait, idempotency_key=key
            )
            _show(answer, json_lines=json_lines)
        else:
            _publish_many(client, stream, shared, wait=wait, key=idempotency_key, json_lines=json_lines)


def _check_usage(
    path: str | None, text: str | None, content: str | None, interaction: Mapping[str, str], user: str
) -> None:
    if path is not None:
        if interaction.keys() - {"content"} or content is not None or text not in (None, "-"):
            raise usage_error("--file", "what it holds cannot be mixed with an interaction from the flags")
        return
    if text is not None and content is not None:
        raise usage_error("--content", "TEXT is given already")
    if not interaction.keys() - {"role"}:
        raise usage_error("TEXT", "missing; give it, or --action, --image, --file or - for standard input")
    if not user:
        raise usage_error("--user", "missing; whose interaction is it?")


@contextmanager
def _opened(path: str | None) -> Iterator[BinaryIO | None]:
    if path is None or path == "-":
        yield None if path is None else sys.stdin.buffer
        return
    with ExitStack() as opened:
        try:
            stream = opened.enter_context(Path(path).open("rb"))
        except OSError as error:
            raise usage_error("--file", f"cannot read {path}: {error.strerror}") from None
        yield stream


def _publish_many(
    client: reflexio.ReflexioClient,
    stream: BinaryIO,
    defaults: Mapping[str, str],
    *,
    wait: bool,
    key: str,
    json_lines: bool,
) -> None:
    is_stdin = stream is sys.stdin.buffer
    # A pipe has no name that a second run would find it under.
    has_path = not is_stdin and size_of(stream) is not None
    scope = f"{key}\n{Path(stream.name).resolve()}" if has_path else key or None

    def show(entry: Entry, answer: Answer) -> None:
        if json_lines:
            print_json({"place": entry.place, **_as_json(answer)})
        for warning in answer.warnings or ():
            say(f"Warning: {entry.place}: {warning}")

    importer = Importer(client, wait=wait, show_bar=not json_lines, on_answer=show)
    reader = Reader(stream, "standard input" if is_stdin else stream.name, defaults, scope)
    importer.run(reader, stream, repeatable=scope is not None)
    if not json_lines:
        print_line(f"Stored {importer.account}.")


def _show(answer: Answer, *, json_lines: bool) -> None:
    if json_lines:
        print_json(_as_json(answer))
        return
    print_line(f"{answer.message} (request {answer.request_id})" if answer.request_id else answer.message)
    for warning in answer.warnings or ():
        say(f"Warning: {warning}")


def _as_json(answer: Answer) -> dict[str, Any]:
    """What the answer has; without waiting that is not all."""
    return {name: value for name, value in asdict(answer).items() if value is not None}
