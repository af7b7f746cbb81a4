"""`reflexio import` as a process of its own, which is killed where its caller goes away."""

import json
import subprocess
import sys
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import Any

from reflexio import ImportOutcome, ImportResult

from tests.end_to_end.stand.server_process import ROOT, quiet_environment


def import_by_command(
    endpoint: str, api_key: str, timeout_seconds: float, file: Path, records: Iterable[Mapping[str, Any]]
) -> Generator[ImportResult, None, None]:
    """Import records through the command line.

    Args:
        endpoint: The server.
        api_key: An administrator's; may be empty.
        timeout_seconds: For each record.
        file: Where to write what is imported, and beside it what the command says.
        records: What to import.

    Yields:
        What the command writes of each record. It ends early where the command fails.
    """
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    flags = ["--url", endpoint, "--api-key", api_key, "--timeout", str(timeout_seconds), "--json"]
    with file.with_suffix(".log").open("ab") as log:
        command = subprocess.Popen(
            [sys.executable, "-m", "reflexio_server", "import", str(file), *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
            env=quiet_environment(),
            text=True,
        )
    assert command.stdout is not None
    try:
        for line in command.stdout:
            told = json.loads(line)
            yield ImportResult(outcome=ImportOutcome(told["outcome"]), request_id=told["request_id"])
    finally:
        command.kill()
        command.communicate()
