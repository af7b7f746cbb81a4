"""The table of languages and cases, as people read it and as client/README.md keeps it."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.conformance.running import NEWER, ROOT, Report, cases

README = ROOT / "client" / "README.md"
_BEGINNING, _END = "<!-- measured: clients -->", "<!-- end of clients -->"


@dataclass
class Column:
    """What became of one language."""

    title: str
    report: Report = field(default_factory=Report)
    skipped: str = ""
    """Why it was not run, where it was not."""
    newer: Report = field(default_factory=Report)
    """What came of a server of a later version."""
    unnoticed: Sequence[str] = ()
    """Mistakes that its runner did not notice."""
    program: str | None = None
    """What was wrong with the program of its README; None where other tests run that."""
    robust: str | None = None
    """What was wrong with the one that copes with more; None likewise."""

    @property
    def problems(self) -> list[str]:
        """All that is wrong, a line each."""
        if self.skipped:
            return []
        if not self.report.results:
            return [f"{self.title}: {self.report.complaint}"]
        failures = self.report.failures() | self.newer.failures(NEWER)
        found = [f"{name}: {error}" for name, error in failures.items()]
        found += [f"its runner does not notice {name}" for name in self.unnoticed]
        return [f"{self.title}: {problem}" for problem in (*found, *filter(None, [self.program, self.robust]))]


def table(columns: Sequence[Column]) -> str:
    """Markdown: a row for each case, a column for each language that was run."""
    ran = [column for column in columns if not column.skipped]
    names = [case["name"] for case in cases()]
    rows = [["case", *(column.title for column in ran)], ["---", *("---:" for _ in ran)]]
    rows += [[f"`{name}`", *(_cell(column.report, name) for column in ran)] for name in names]
    rows += [[f"`{case['name']}`", *(_cell(column.newer, case["name"]) for column in ran)] for case in cases(NEWER)]
    rows += [
        ["mistakes noticed", *("**no**" if column.unnoticed else "all" for column in ran)],
        ["the program of its README", *(_of_program(column.program) for column in ran)],
        ["TLS, a key, retries and a reason told", *(_of_program(column.robust) for column in ran)],
    ]
    written = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    versions = "\n".join(f"| {column.title} | {_versions(column.report)} |" for column in ran)
    skipped = "".join(f"\nNot run: {column.title}.\n" for column in columns if column.skipped)
    return f"{written}\n\n| language | versions |\n| --- | --- |\n{versions}\n{skipped}"


def keep(columns: Sequence[Column], without_server: str, readme: Path = README) -> None:
    """Put the table with its date into client/README.md, followed by what was done without a server."""
    today = dt.datetime.now(dt.UTC).date().isoformat()
    text = f"{_BEGINNING}\n\nRun on {today}; seconds of each case.\n\n{table(columns)}{without_server}\n{_END}"
    pattern = f"{re.escape(_BEGINNING)}.*{re.escape(_END)}"
    readme.write_text(re.sub(pattern, lambda _: text, readme.read_text(), flags=re.DOTALL))


def _cell(report: Report, name: str) -> str:
    result = report.results.get(name)
    return f"{result.seconds:.2f}" if result is not None and result.ok else "**FAILED**"


def _of_program(problem: str | None) -> str:
    return "`make test`" if problem is None else "**FAILED**" if problem else "ok"


def _versions(report: Report) -> str:
    return ", ".join(f"{name} {version}" for name, version in report.versions.items())
