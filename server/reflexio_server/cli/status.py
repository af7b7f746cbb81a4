"""`reflexio status`."""

from dataclasses import asdict
from typing import Any

import reflexio
import typer

from reflexio_server.cli.command import ApiKey, JsonDocument, Timeout, Url, command_of
from reflexio_server.cli.connection import connected
from reflexio_server.cli.rendering import Column, counted, print_json, print_table
from reflexio_server.cli.times import show_duration

_COLUMNS = (Column(""), Column("", flexible=True))
_SECONDS = 5.0
"""How long to ask a server that is starting; whoever wants to know how it is does not want to wait until it is well."""


def command() -> Any:
    """The command, for the group of all commands."""
    return command_of(status)


def status(
    *, url: Url = "", api_key: ApiKey = "", timeout: Timeout = _SECONDS, json_document: JsonDocument = False
) -> None:
    """Say whether a server answers calls, what it is, and how much work it has before it.

    Ends with exit code 1 unless it answers them.
    """
    with connected(url, api_key, timeout) as client:
        try:
            info, caller = client.server_info(), client.whoami()
        except reflexio.ReflexioError as error:
            if not json_document:
                raise
            print_json({"serving": False, "url": client.url_endpoint, "reason": error.reason, "message": str(error)})
            raise typer.Exit(1) from None
        url = client.url_endpoint
    if json_document:
        print_json({"serving": True, "url": url, **asdict(info), "caller": asdict(caller)})
    else:
        print_table(_COLUMNS, _rows(url, info, caller))


def _rows(url: str, info: reflexio.ServerInfo, caller: reflexio.WhoAmI) -> list[tuple[str, str]]:
    backlog = counted(info.embedding_backlog_count, "interaction waits", "interactions wait") + " for being embedded"
    if info.oldest_waiting_seconds is not None:
        backlog += f", the oldest for {show_duration(info.oldest_waiting_seconds)}"
    if info.embedding_set_aside_count:
        backlog += (
            f"; {counted(info.embedding_set_aside_count, 'was', 'were')} set aside, because the model failed on them"
        )
    known_by = caller.account_email or caller.certificate_uri
    who = f"{known_by}, " if known_by else ""
    organization = f"organisation {caller.organization_id} ({caller.organization_name})"
    needless = "" if known_by or caller.api_key_id else "; this server asks for no key"
    return [
        ("serving", url),
        ("version", info.version),
        ("database", f"{info.storage_type}: {info.storage_label}"),
        ("model", f"{info.embedding_model}, {info.embedding_dimension} dimensions"),
        *_changes(info),
        ("backlog", backlog),
        *(("set aside", f"{s.user_id}, interaction {s.interaction_id}: {s.reason}") for s in info.newest_set_aside),
        ("index", f"{_index(info)}, on this replica"),
        ("messages", f"{info.max_message_bytes / 2**20:g} MiB at most"),
        (
            "caller",
            f"{who}{caller.role} of {organization}{needless}",
        ),
    ]


def _index(info: reflexio.ServerInfo) -> str:
    if not info.index_users_count:
        return "nobody was searched lately"
    unit, size = ("MiB", 2**20) if info.index_memory_bytes >= 2**20 else ("KiB", 2**10)
    return f"{info.index_memory_bytes / size:,.1f} {unit} for {counted(info.index_users_count, 'user')}"


def _changes(info: reflexio.ServerInfo) -> list[tuple[str, str]]:
    if info.reindex is not None:
        now = info.reindex
        failed = f"; the model failed on {now.failed_count:,}" if now.failed_count else ""
        so_far = f"{now.done_count:,} of {now.total_count:,} interactions"
        return [("reindex", f"to {now.embedding_model}: {so_far}{failed}")]
    if info.configured_embedding_model not in {"", info.embedding_model}:
        return [("", f"the settings name {info.configured_embedding_model}: run `reflexio reindex` to change to it")]
    return []
