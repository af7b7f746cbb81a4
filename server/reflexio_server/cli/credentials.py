"""The keys that `reflexio login` keeps: one for each server, in a file that nobody else may read."""

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import typer

FILE_VARIABLE = "REFLEXIO_CREDENTIALS_FILE"


def credentials_file() -> Path:
    """Where the keys are: `REFLEXIO_CREDENTIALS_FILE`, else in the user's folder for settings."""
    chosen = os.environ.get(FILE_VARIABLE, "")
    return Path(chosen) if chosen else Path(typer.get_app_dir("reflexio")) / "credentials.json"


def key_for(url: str) -> str:
    """The key that is kept for a server; empty where none is, or where others could have read or changed it."""
    kept = _read().get(_name(url), {}).get("api_key")
    return kept if isinstance(kept, str) and not others_may_read() else ""


def others_may_read() -> bool:
    """Whether the file is open to other users of this machine."""
    with contextlib.suppress(OSError):
        return os.name == "posix" and bool(credentials_file().stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    return False


def keep(url: str, api_key: str, account: str) -> Path:
    """Keep a key for a server in place of an earlier one. Returns the file.

    Raises:
        OSError: The file cannot be written.
    """
    with _changed() as kept:
        kept[_name(url)] = {"api_key": api_key, "account": account}
    return credentials_file()


def forget(url: str) -> bool:
    """Forget the key of a server. Returns whether there was one.

    Raises:
        OSError: The file cannot be written.
    """
    if _name(url) not in _read():
        return False
    with _changed() as kept:
        del kept[_name(url)]
    return True


def _name(url: str) -> str:
    """What a server is known by.

    The scheme is part of it: without one TLS may be spoken, and a key must not get into the open by mistake.
    """
    return url.strip().rstrip("/").lower()


def _read() -> dict[str, Any]:
    try:
        kept = json.loads(credentials_file().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


@contextlib.contextmanager
def _changed() -> Iterator[dict[str, Any]]:
    """What is kept, to be changed; written at the end, whole or not at all."""
    kept = _read()
    yield kept
    file = credentials_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made for the owner only, before there is anything in it.
    with NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as unfinished:
        json.dump(kept, unfinished, indent=2)
    Path(unfinished.name).replace(file)
