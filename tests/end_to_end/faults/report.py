"""What a campaign says at its end: one table of what was broken, one of what came of it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.end_to_end.faults.rounds import Outcome

_KINDS = (
    "lost",
    "duplicated",
    "torn",
    "resurrected",
    "imported otherwise",
    "unknown",
    "two answers",
    "not found",
    "orphans",
    "left of who was erased",
    "wrong vectors",
    "set aside wrongly",
    "not set aside",
    "seen by a publisher or a fault",
)


@dataclass
class Report:
    """The sum of all rounds."""

    rounds: int = 0
    total: Outcome = field(default_factory=Outcome)

    def add(self, outcome: Outcome) -> None:
        """Add what became of a round."""
        self.rounds += 1
        total = self.total
        total.injected += outcome.injected
        total.events += outcome.events
        total.attempted += outcome.attempted
        total.acknowledged += outcome.acknowledged
        total.imported += outcome.imported
        total.deletes_attempted += outcome.deletes_attempted
        total.deletes_acknowledged += outcome.deletes_acknowledged
        total.findings.counts += outcome.findings.counts
        total.findings.examples += outcome.findings.examples

    def lines(self) -> Iterator[str]:
        """The tables, as Markdown."""
        total = self.total
        yield from _table("fault", "times", total.injected)
        yield ""
        rows = Counter(
            {
                "rounds": self.rounds,
                "faults injected": total.injected.total(),
                "publishes and records of imports attempted": total.attempted,
                "publishes and records of imports acknowledged": total.acknowledged,
                "publish calls, repetitions included": total.events["publish"],
                "imports, repetitions included": total.events["import"],
                "imports by the command line among them": total.events["import by command"],
                "imports that came to their end": total.events["imported"],
                "records of imports acknowledged": total.imported,
                "became too old, attempted": total.events["age"],
                "became too old, acknowledged": total.events["aged"],
                "deletes attempted": total.deletes_attempted,
                "deletes acknowledged": total.deletes_acknowledged,
                "erasures of a user among them, attempted": total.events["delete user"],
                "erasures of a user among them, acknowledged": total.events["deleted user"],
                "publishes handed over to a BackgroundPublisher": total.events["handed over"],
                "calls that failed": total.events["failed"],
            }
        )
        yield from _table("", "count", rows)
        yield from (f"| {kind} | {total.findings.counts[kind]} |" for kind in _KINDS)
        yield ""
        errors = {name.removeprefix("error "): n for name, n in total.events.items() if name.startswith("error ")}
        yield from _table("how calls failed", "times", Counter(errors))


def _table(name: str, value: str, rows: Counter[str]) -> Iterator[str]:
    yield f"| {name} | {value} |"
    yield "|---|---|"
    yield from (f"| {row} | {count} |" for row, count in rows.items())
