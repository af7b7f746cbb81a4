"""Runs one language's runner against a server, and gathers what it reports."""

import json
import os
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conformance.serving import Served

TABLE = Path(__file__).parent / "cases.json"
_MOST_SECONDS = 300


def cases() -> list[dict[str, Any]]:
    """The cases of the table, in order."""
    found: list[dict[str, Any]] = json.loads(TABLE.read_text(encoding="utf-8"))["cases"]
    return found


@dataclass
class Result:
    """What became of one case."""

    ok: bool
    seconds: float
    error: str


@dataclass
class Report:
    """What a runner reported."""

    versions: dict[str, str] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    complaint: str = ""
    """What it wrote to its standard error, where it did not end well."""

    @property
    def failures(self) -> dict[str, str]:
        """Cases of the table that failed or were not reported, with why."""
        found = {}
        for name in (case["name"] for case in cases()):
            result = self.results.get(name)
            if result is None:
                found[name] = f"not reported; {self.complaint[-2000:]}"
            elif not result.ok:
                found[name] = result.error
        return found


def run(command: Sequence[str], server: Served, folder: Path, environment: dict[str, str], *names: str) -> Report:
    """Run a runner to its end.

    Args:
        command: The runner, without its arguments.
        server: What it calls.
        folder: Where to run it.
        environment: What to add to the environment.
        names: Of cases; all where none is given.
    """
    report = Report()
    with subprocess.Popen(
        [*command, server.target, str(TABLE), *names],
        cwd=folder,
        env={**os.environ, **environment, "REFLEXIO_API_KEY": server.key},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        complaints: list[str] = []
        reading = threading.Thread(target=lambda: complaints.extend(process.stderr or ()))
        reading.start()
        limit = threading.Timer(_MOST_SECONDS, process.kill)
        limit.start()
        for text in process.stdout:
            line = json.loads(text)
            if "restart" in line:
                server.restart()
                process.stdin.write("restarted\n")
                process.stdin.flush()
            elif "versions" in line:
                report.versions = line["versions"]
            else:
                report.results[line["case"]] = Result(line["ok"], line["seconds"], line["error"])
        limit.cancel()
        reading.join()
    if process.returncode:
        report.complaint = f"exit code {process.returncode}: {''.join(complaints)}"
    return report
