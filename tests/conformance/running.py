"""Runs one language's runner against a server, and gathers what it reports."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conformance.serving import Served

_FOLDER = Path(__file__).parent
TABLE = _FOLDER / "cases.json"
WRONG = _FOLDER / "wrong.json"
"""Cases that expect what is not so."""
NEWER = _FOLDER / "newer.json"
"""Cases for a server of a later version (tests/compatibility)."""
ROOT = _FOLDER.parents[1]
_MOST_SECONDS = 300


def cases(table: Path = TABLE) -> list[dict[str, Any]]:
    """The cases of a table, in order."""
    found: list[dict[str, Any]] = json.loads(table.read_text(encoding="utf-8"))["cases"]
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
    """Its exit code and what it wrote to its standard error, where it did not end well."""

    def failures(self, table: Path = TABLE) -> dict[str, str]:
        """Cases of the table that failed or were not reported, with why."""
        names = (case["name"] for case in cases(table))
        missing = Result(ok=False, seconds=0, error=f"not reported; {self.complaint[-2000:]}")
        found = {name: self.results.get(name, missing) for name in names}
        return {name: result.error for name, result in found.items() if not result.ok}


class Runner:
    """The runner of a language."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Choose it.

        Args:
            command: Without its arguments. It is run in the root of the repository.
            environment: What to add to the environment.
        """
        self._command = command
        self._environment = environment

    def run(self, server: Served, table: Path = TABLE) -> Report:
        """Run a table to its end."""
        return self.run_against(server.target, table, server.key, server.restart)

    def run_against(self, target: str, table: Path, key: str = "", restart: Callable[[], None] | None = None) -> Report:
        """Run a table to its end against any server."""
        report = Report()
        with subprocess.Popen(
            [*self._command, target, str(table)],
            cwd=ROOT,
            env={**os.environ, **self._environment, "REFLEXIO_API_KEY": key},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        ) as process:
            complaints: list[str] = []
            reading = threading.Thread(target=lambda: complaints.extend(process.stderr or ()))
            reading.start()
            limit = threading.Timer(_MOST_SECONDS, process.kill)
            limit.start()
            for text in process.stdout or ():
                line = json.loads(text)
                if "restart" in line and restart is not None and process.stdin is not None:
                    restart()
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

    def unnoticed(self, server: Served) -> list[str]:
        """Which of the mistakes in the other table it does not notice."""
        results = self.run(server, WRONG).results
        names = [case["name"] for case in cases(WRONG)]
        return [name for name in names if name not in results or results[name].ok]
