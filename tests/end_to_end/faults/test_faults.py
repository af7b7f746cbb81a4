"""The fault campaign in short; `make test-faults` runs it at length."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.faults import injection
from tests.end_to_end.faults.rounds import Plan, run_round
from tests.end_to_end.stand.postgres_process import PostgresProcess

SEED = os.environ.get("REFLEXIO_FAULT_SEED") or str(random.randrange(10**9))

QUICK = (
    "server killed (SIGKILL)",
    "server ended under load (SIGTERM)",
    "Postgres killed (SIGKILL)",
    "client connections cut in a message",
    "Postgres connections cut in a message",
    "Postgres connections frozen",
    "no room on Postgres's disk (error 53100)",
)


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresProcess]:
    """One of its own: it is killed."""
    started = PostgresProcess(tmp_path_factory.mktemp("postgres"))
    yield started
    started.end()


def check(plan: Plan, folder: Path, postgres: PostgresProcess | None) -> None:
    print(f"REFLEXIO_FAULT_SEED={SEED}: {plan}")
    outcome = run_round(plan, folder, postgres)
    print(f"injected {dict(outcome.injected)}, events {dict(outcome.events)}")
    assert outcome.findings.counts == {}, "\n".join(outcome.findings.examples)
    assert outcome.injected.total() > 0
    assert outcome.acknowledged > outcome.imported > 0


def test_what_was_acknowledged_is_there_once_and_whole_after_faults(postgres: PostgresProcess, tmp_path: Path) -> None:
    faults = {name: injection.FAULTS[name] for name in QUICK}
    check(Plan("shared", SEED, seconds=4.5, faults=faults, threads=3), tmp_path / "round", postgres)


def test_the_same_for_a_server_with_a_postgres_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    faults = {"server and Postgres killed": injection.kill_the_embedded_server_and_its_postgres}
    folder = tmp_path_factory.mktemp("embedded") / "round"
    check(Plan("embedded", SEED, seconds=1.5, embedded=True, faults=faults, processes=1), folder, None)
