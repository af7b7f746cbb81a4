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
from tests.end_to_end.replicas.campaign import Campaign
from tests.end_to_end.replicas.serving import WITH_KEYS, keys_of_two_organisations, replicas
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
    parser.add_argument("--replica-steps", type=int, default=200, help="calls to 2 and to 3 replicas afterwards")
    parser.add_argument("--keep", action="store_true", help="leave ledgers, logs and data where they are")
    return parser.parse_args()


def _plan(number: int, seed: str, seconds: float, only: str | None) -> Plan:
    kinds = ("shared", "embedded", "shared", "shared", "real")
    kind = only or kinds[number % len(kinds)]
    return Plan(
        name=f"r{number}",
        seed=f"{seed}-{number}",
        seconds=seconds,
        servers=2 + (number % 2 if kind == "shared" else 0),
        embedded=kind == "embedded",
        real_model=kind == "real",
        most_publishes=800,
        api_keys=kind == "shared" and number % 4 in {2, 3},
        workers=2 if kind == "shared" and number % 4 == 3 else 1,
        background_threads=1 - number % 2,
        wait_for_leases=number % 3 == 2,
    )


def _run_rounds(arguments: argparse.Namespace, seed: str, report: Report) -> None:
    started = time.monotonic()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="rf-"))
        # As root, Postgres runs as another user, who has to get to its folder.
        folder.chmod(0o755)
        if arguments.keep:
            _say(f"ledgers and logs stay in {folder}")
        else:
            stack.callback(shutil.rmtree, folder)
        disk = stack.enter_context(small_disk(folder / "disk"))
        postgres = PostgresProcess((disk or folder) / "pg")
        stack.callback(postgres.end)
        # So that its log alone does not fill a small disk.
        postgres.execute("postgres", "alter system set max_wal_size = '64MB'")
        postgres.execute("postgres", "select pg_reload_conf()")
        for number in range(arguments.rounds):
            plan = _plan(number, seed, arguments.round_seconds, arguments.only)
            _say(f"round {number}: {plan}")
            outcome = run_round(plan, folder / plan.name, postgres, disk)
            report.add(outcome)
            wrong = outcome.findings.counts
            _say(f"  acknowledged {outcome.acknowledged} of {outcome.attempted}, wrong: {dict(wrong)}")
            for example in outcome.findings.examples:
                _say(f"  {example}")
            if arguments.seconds and time.monotonic() - started > arguments.seconds:
                break
        if arguments.replica_steps:
            _run_replicas(arguments.replica_steps, seed, folder, postgres)


def _run_replicas(steps: int, seed: str, folder: Path, postgres: PostgresProcess) -> None:
    for count in (2, 3):
        database = f"replicas_{count}"
        postgres.execute("postgres", f"create database {database}")
        (folder / database).mkdir()
        url = postgres.url(database)
        with replicas(url, count, folder / database, *WITH_KEYS) as servers:
            campaign = Campaign(servers, random.Random(f"{seed} {count}"), keys_of_two_organisations(url))
            campaign.run(steps, restarts=True)
            campaign.publish_at_once(steps)
            campaign.close()
        _say(f"{count} replicas: {dict(campaign.counts)}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run the rounds, then the replicas, and print what came of them."""
    arguments = _arguments()
    seed = arguments.seed or str(random.randrange(10**9))
    report = Report()
    started = time.monotonic()
    _say(f"REFLEXIO_FAULT_SEED={seed}")
    try:
        _run_rounds(arguments, seed, report)
    finally:
        # Also after an interruption: the rounds that are over count.
        print(f"seed {seed}, {time.monotonic() - started:.0f} seconds\n")
        print("\n".join(report.lines()), flush=True)
    return 1 if report.total.findings.counts else 0


if __name__ == "__main__":
    sys.exit(main())
