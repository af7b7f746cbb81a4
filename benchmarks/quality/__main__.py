"""Does search find it: `python -m benchmarks.quality [--data FOLDER …] [--mode MODE …] [--markdown FILE]`."""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.quality.asking import Answer
from benchmarks.quality.dataset import load
from benchmarks.quality.metrics import ranks_of
from benchmarks.quality.report import markdown, update
from benchmarks.quality.service import answers_to

OWN = Path(__file__).with_name("data")
MODES = ("hybrid", "vector", "fts")


def main() -> None:
    """Ask everything, and write the report to standard output and, if asked, into a file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality", description="Publish annotated conversations and see what search finds."
    )
    parser.add_argument(
        "--data", type=Path, action="append", metavar="FOLDER", help="conversations and questions; again for more"
    )
    parser.add_argument("--mode", choices=MODES, action="append", help="search in this mode only; again for more")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the report into this file too: between its markers, if any"
    )
    parser.add_argument("--details", type=Path, metavar="FILE", help="write a line of JSON for every answer")
    arguments = parser.parse_args()
    # An operator's settings must not decide what is measured.
    for name in [name for name in os.environ if name.startswith("REFLEXIO_")]:
        del os.environ[name]
    started = time.perf_counter()
    measured = []
    for data_set in [load(folder) for folder in arguments.data or [OWN]]:
        answers = asyncio.run(answers_to(data_set.conversations, arguments.mode or MODES))
        measured.append((data_set, answers))
        print(f"{data_set.name}: asked after {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    section = markdown(measured, time.perf_counter() - started)
    if arguments.markdown is not None:
        document = arguments.markdown.read_text("utf-8") if arguments.markdown.exists() else ""
        arguments.markdown.write_text(update(document, section), "utf-8")
    if arguments.details is not None:
        arguments.details.write_text(_details([answer for _, answers in measured for answer in answers]), "utf-8")
    print(section)


def _details(answers: Sequence[Answer]) -> str:
    lines = []
    for answer in answers:
        ranks = ranks_of(answer.found, answer.question.evidence)
        row = {**asdict(answer), "rank": ranks[0] if ranks else None}
        row["question"]["evidence"] = sorted(answer.question.evidence)
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines)


if __name__ == "__main__":
    main()
