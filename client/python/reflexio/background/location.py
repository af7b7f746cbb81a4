"""Where a spool is kept, and which publishers share it."""

import hashlib
import os
import sys
from pathlib import Path

from reflexio._endpoint import Endpoint

FOLDER_VARIABLE = "REFLEXIO_SPOOL_DIR"


def default_folder() -> Path:
    """The folder of all spools of this user: `REFLEXIO_SPOOL_DIR`, else where the system keeps such things.

    Raises:
        RuntimeError: The user has no home folder.
    """
    if chosen := os.environ.get(FOLDER_VARIABLE, ""):
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", "") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        # The XDG rules ask to ignore a relative path.
        state = Path(os.environ.get("XDG_STATE_HOME", ""))
        base = state if state.is_absolute() else Path.home() / ".local" / "state"
    return base / "reflexio" / "spool"


def spool_name(endpoint: Endpoint, api_key: str, account: str | None) -> str:
    """The name of the spool for what goes to this endpoint for this account.

    Args:
        endpoint: Where it goes.
        api_key: In whose name. Only 64 bits of its hash are in the result, which no key can be found from.
        account: What stands for the key, where several keys are of one account.
    """
    whose = f"key {api_key}" if account is None else f"account {account}"
    sent_to = f"{endpoint.target} {'TLS' if endpoint.secure else 'plain'}"
    return hashlib.blake2b(f"{sent_to}\0{whose}".encode(), digest_size=8).hexdigest()
