"""The long fault campaign: `python -m tests.end_to_end.faults --seconds 300`. Exit code 1 when a promise was broken."""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.end_to_end.faults.disk import small_disk
from tests.end_to_end.faults.report import Report
from tests.end_to_end.faults.rounds import Plan, run_round
from tests.end_to_end.stand.postgres_process import PostgresProcess


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.end_to_end.faults", description=__doc__)
    parser.add_argument(
        "--seed", default=os.environ.get("REFLEXIO_FAULT_SEED"), help="REFLEXIO_FAULT_SEED; else random"
    )
    parser.add_argument(
        "--rounds", type=int, default=int(os.environ.get("REFLEXIO_FAULT_ROUNDS", "10")), help="REFLEXIO_FAULT_ROUNDS"
    )
    parser.add_argument("--round-seconds", type=float, default=30, help="how long to break things in each round")
    parser.add_argument("--seconds", type=float, default=0, help="end after the round that exceeds this; 0: no limit")
    parser.add_argument("--only", choices=("shared", "embedded", "real"), help="only rounds of this kind")
    parser.add_argument("--keep", action="store_true", help="leave ledgers, logs and data where they are")
    return parser.parse_args()


def _plan(number: int, seed: str, seconds: float, only: str | None) -> Plan:
    kinds = ("shared", "shared", "embedded", "shared", "real", "shared", "embedded")
    kind = only or kinds[number % len(kinds)]
    return Plan(
        name=f"r{number}",
        seed=f"{seed}-{number}",
        seconds=seconds,
        servers=2 + number % 2,
        embedded=kind == "embedded",
        real_model=kind == "real",
        most_publishes=800,
        wait_for_leases=number % 3 == 2,
    )


def main() -> int:
    """Run the rounds and print what came of them."""
    arguments = _arguments()
    seed = arguments.seed or str(random.randrange(10**9))
    report = Report()
    started = time.monotonic()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="rf-"))
        # As root, Postgres runs as another user, who has to get to its folder.
        folder.chmod(0o755)
        if arguments.keep:
            print(f"ledgers and logs stay in {folder}", file=sys.stderr)
        else:
            stack.callback(shutil.rmtree, folder)
        disk = stack.enter_context(small_disk(folder / "disk"))
        postgres = PostgresProcess((disk or folder) / "pg")
        # So that its log alone does not fill a small disk.
        postgres.execute("postgres", "alter system set max_wal_size = '64MB'")
        postgres.execute("postgres", "select pg_reload_conf()")
        try:
            for number in range(arguments.rounds):
                plan = _plan(number, seed, arguments.round_seconds, arguments.only)
                print(f"round {number}: {plan}", file=sys.stderr, flush=True)
                outcome = run_round(plan, folder / plan.name, postgres, disk)
                report.add(outcome)
                print(
                    f"  acknowledged {outcome.acknowledged} of {outcome.attempted}, faults {outcome.injected.total()},"
                    f" wrong: {dict(outcome.findings.counts)}",
                    file=sys.stderr,
                    flush=True,
                )
                for example in outcome.findings.examples:
                    print(f"  {example}", file=sys.stderr, flush=True)
                if arguments.seconds and time.monotonic() - started > arguments.seconds:
                    break
        finally:
            postgres.end()
    print(f"seed {seed}, {time.monotonic() - started:.0f} seconds\n")
    print("\n".join(report.lines()))
    return 1 if report.total.findings.counts else 0


if __name__ == "__main__":
    sys.exit(main())
