"""`python -m tests.conformance [--keep] [language…]`: the table with other languages, each against a real server."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.compatibility.newer_server import newer_server
from tests.conformance.front import problem_of_robust
from tests.conformance.languages import LANGUAGES, CannotInstall, DoesNotBuild, Language
from tests.conformance.messages_only import MESSAGES_ONLY, tried
from tests.conformance.report import Column, keep, table
from tests.conformance.running import NEWER, ROOT
from tests.conformance.serving import Served, served
from tests.running import Postgres

PRINTED = "User: I have moved to Lisbon.\n"
"""What the program of every README prints."""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _postgres(folder: Path) -> Iterator[Postgres]:
    started = Postgres(folder / "pg")
    try:
        yield started
    finally:
        started.stop()


def _problem_of_program(language: Language, server: Served) -> str:
    environment = {**os.environ, **language.environment, "REFLEXIO_API_KEY": server.key}
    ran = subprocess.run(
        [*language.program, server.target],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "" if (ran.returncode, ran.stdout) == (0, PRINTED) else f"it printed {ran.stdout!r} {ran.stderr[-500:]!r}"


def _column(language: Language, postgres: Postgres, folder: Path) -> Column:
    column = Column(language.title)
    began = time.monotonic()
    try:
        runner = language.prepare()
    except CannotInstall as error:
        column.skipped = str(error)
        _say(f"\n{'!' * 20} NOT RUN: {language.title}: {error}\n")
        return column
    except DoesNotBuild as error:
        column.report.complaint = str(error)
        return column
    _say(f"{language.title}: built in {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    with served(postgres, folder, language.name) as server:
        if language.program:
            column.program = _problem_of_program(language, server)
            column.robust = problem_of_robust(language.robust, language.environment, server, folder)
        column.unnoticed = runner.unnoticed(server)
        column.report = runner.run(server)
    with newer_server() as target:
        column.newer = runner.run_against(target, NEWER)
    _say(f"{language.title}: run in {time.monotonic() - began:.0f} s, {len(column.problems)} problems")
    return column


def main() -> int:
    """Run them. Returns 1 where something is wrong, or where a language that is named cannot be run."""
    known = {language.name: language for language in LANGUAGES}
    partly = {one.language.name: one for one in MESSAGES_ONLY}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("languages", nargs="*", metavar="language", help=f"all, or some of {', '.join(known | partly)}")
    parser.add_argument("--keep", action="store_true", help="put the table of all into client/README.md")
    chosen = parser.parse_args()
    if chosen.keep and chosen.languages:
        parser.error("the table that is kept has all languages")
    if unknown := [name for name in chosen.languages if name not in known | partly]:
        parser.error(f"there is no {', '.join(unknown)}")
    names = chosen.languages or [*known, *partly]
    languages = [known[name] for name in names if name in known]
    with tempfile.TemporaryDirectory(prefix="rfx-") as name, _postgres(Path(name)) as postgres:
        columns = [_column(language, postgres, Path(name)) for language in languages]
    without_server, problems = tried(partly[name] for name in names if name in partly)
    print(table(columns) + without_server)
    problems += [problem for column in columns for problem in column.problems]
    problems += [f"{one.title} cannot be run: {one.skipped}" for one in columns if one.skipped and chosen.languages]
    for problem in problems:
        _say(problem)
    if chosen.keep and not problems:
        keep(columns, without_server)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
