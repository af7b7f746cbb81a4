"""What publishers attempted and what was acknowledged: a line in a file, written before they go on."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.end_to_end.faults.publications import Publication


class Ledger:
    """One publisher's file. It only grows, so that what was written stays whatever happens to the process."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def note(self, event: str, **facts: Any) -> None:
        """Write one line through to the file."""
        os.write(self._file, (json.dumps({"event": event, **facts}) + "\n").encode())

    def close(self) -> None:
        os.close(self._file)


@dataclass
class Fate:
    """What is known of one publication."""

    acknowledged: bool = False
    answers: set[tuple[str, tuple[int, ...]]] = field(default_factory=set)
    """The different request ids and interaction ids that acknowledgements brought."""
    deletion: str = ""
    """Of the whole request, alone or with others, or by its age: "" never asked for, "attempted", "acknowledged"."""
    interaction_deletions: dict[int, str] = field(default_factory=dict)
    """The same by the interaction's position."""


@dataclass
class Ledgers:
    """All that the ledgers of a round say."""

    fates: dict[str, Fate] = field(default_factory=lambda: defaultdict(Fate))
    """By the publication's tag."""
    erased: set[str] = field(default_factory=set)
    """Users whose erasure was acknowledged, and for whom their publisher published nothing afterwards."""
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    """What publishers themselves saw go wrong."""


def read_ledgers(folder: Path) -> Ledgers:
    """Put together what the publishers wrote into `folder`."""
    read = Ledgers()
    for line in _lines(folder):
        event = line["event"]
        read.counts[event] += 1
        if event == "violation":
            read.violations.append(line["text"])
        elif event == "failed":
            read.counts[f"error {line['error']}"] += 1
        elif event in {"publish", "import", "acknowledged"}:
            _published(read, line)
        elif event in {"delete", "deleted"}:
            _deletion(read, line, "attempted" if event == "delete" else "acknowledged")
        elif event in {"age", "aged"}:
            _gone(read.fates[line["tag"]], "attempted" if event == "age" else "acknowledged")
    return read


def _lines(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            yield json.loads(line)


def _published(read: Ledgers, line: dict[str, Any]) -> None:
    if line["event"] == "import":
        for tag in line["tags"]:
            read.fates[tag]
        return
    fate = read.fates[line["tag"]]
    if line["event"] == "publish":
        read.erased.discard(Publication(line["tag"]).user_id)
        return
    fate.acknowledged = True
    if line["request_id"] is not None:
        fate.answers.add((line["request_id"], tuple(line["interaction_ids"])))


def _deletion(read: Ledgers, line: dict[str, Any], state: str) -> None:
    if line["what"] == "user":
        read.counts[f"{line['event']} user"] += 1
        if line["event"] == "deleted":
            read.erased.add(line["user_id"])
    for tag in line["tags"]:
        fate = read.fates[tag]
        if line["what"] != "interaction":
            _gone(fate, state)
        elif fate.interaction_deletions.get(line["position"]) != "acknowledged":
            fate.interaction_deletions[line["position"]] = state


def _gone(fate: Fate, state: str) -> None:
    if fate.deletion != "acknowledged":
        fate.deletion = state
