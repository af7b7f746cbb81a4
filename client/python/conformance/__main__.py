"""`python -m conformance host:port cases.json [case…]`: the runner that tests/conformance/README.md describes."""

import json
import os
import platform
import secrets
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import google.protobuf
import grpc

from conformance.calls import Calls, Outcome
from conformance.table import Step, Unexpected, at, expanded, filled_in, look_at

_USUAL_SECONDS = 30.0


def say(**line: Any) -> None:
    """Write one line of the report."""
    print(json.dumps(line, ensure_ascii=False), flush=True)


class Run:
    """One run of one case."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._values = {"unique": secrets.token_hex(8), "uuid": str(uuid.uuid4())}

    def do(self, step: Step) -> None:
        """Do one step.

        Raises:
            Unexpected: It did not end as the table says.
        """
        kind = step["do"]
        if kind == "restart":
            say(restart=True)
            sys.stdin.readline()
        elif kind == "exchange":
            self._exchange(step)
        elif kind == "pages":
            self._pages(filled_in(step, self._values))
        else:
            for index in range(step.get("times", 1)):
                filled = filled_in(step, {**self._values, "index": str(index)})
                self._judge(filled, self._make(filled, [expanded(filled)]))

    def _exchange(self, step: Step) -> None:
        filled = filled_in(step, self._values)
        requests = filled.get("requests") or [
            filled_in(filled["request"], {"index": str(index)}) for index in range(step["times"])
        ]
        self._judge(filled, self._make(filled, requests))

    def _pages(self, step: Step) -> None:
        items: list[Any] = []
        pages, request = 0, step["request"]
        while True:
            outcome = self._make(step, [request])
            if outcome.status != "OK":
                self._judge(step, outcome)
                return
            pages += 1
            items += at(outcome.answer, step["items"]) or []
            token = outcome.answer.get("nextPageToken")
            if not token:
                break
            request = {**request, "pageToken": token}
        self._judge(step, Outcome({"pages": pages, "items": items}))

    def _make(self, step: Step, requests: list[Any]) -> Outcome:
        seconds = step["deadline_ms"] / 1000 if "deadline_ms" in step else _USUAL_SECONDS
        return self._calls.make(step["rpc"], requests, key=step.get("key"), seconds=seconds)

    def _judge(self, step: Step, outcome: Outcome) -> None:
        expected = step.get("status", "OK")
        if outcome.status != expected:
            raise Unexpected(f"expected {expected}, found {outcome.status} {outcome.reason}: {outcome.message}")
        for name in ("reason", "fields", "retry"):
            if name in step and getattr(outcome, name) != step[name]:
                raise Unexpected(f"{name}: expected {step[name]!r}, found {getattr(outcome, name)!r}")
        if not step.get("metadata", {}).items() <= outcome.metadata.items():
            raise Unexpected(f"metadata: expected {step['metadata']!r}, found {outcome.metadata!r}")
        look_at(outcome.answer, step)
        for name, path in step.get("save", {}).items():
            kept = at(outcome.answer, path)
            if not isinstance(kept, str):
                raise Unexpected(f"there is no text at {path}")
            self._values[name] = kept


def run(case: dict[str, Any], calls: Calls) -> None:
    """Run a case and report it."""
    began = time.monotonic()
    error = ""
    running = Run(calls)
    for number, step in enumerate(case["steps"], 1):
        try:
            running.do(step)
        except Exception as problem:  # noqa: BLE001 -- whatever it is, it is what the report is about.
            error = f"step {number}, {step.get('rpc', step['do'])}: {type(problem).__name__}: {problem}"
            break
    say(case=case["name"], ok=not error, seconds=round(time.monotonic() - began, 3), error=error)


def main(target: str, table: str, *names: str) -> None:
    """Run the table, or the cases that are named."""
    versions = {
        "python": platform.python_version(),
        "grpc": grpc.__version__,
        "protobuf": google.protobuf.__version__,
    }
    say(versions=versions)
    calls = Calls(target, os.environ["REFLEXIO_API_KEY"])
    for case in json.loads(Path(table).read_text(encoding="utf-8"))["cases"]:
        if not names or case["name"] in names:
            run(case, calls)
    calls.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
