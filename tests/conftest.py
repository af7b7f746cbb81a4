"""What tests run against: real servers on the embedded Postgres, shared where tests do not get in each other's way."""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import count
from uuid import uuid4

import hypothesis
import pytest
from reflexio_server import logs
from reflexio_server.access import passwords
from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.identity import logins
from reflexio_server.store.database import Database
from reflexio_server.store.migrate import migrate

from tests.running import Postgres, RunningServer, running_server

_org_ids = count(1000)

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("reflexio", deadline=None)
hypothesis.settings.load_profile("reflexio")


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """Hashes that cost nothing, and answers that are not held back; tests/access looks at the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        cheap = replace(passwords.PARAMETERS, time_cost=1, memory_cost=8)
        patch.setattr(passwords, "PARAMETERS", cheap)
        patch.setattr(logins, "LEAST_SECONDS", 0.0)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    logs.configure("warning", "console")
    # COLUMNS, which pytest's own helpers set, would make the command line believe in a narrow terminal.
    for name in [name for name in os.environ if name.startswith("REFLEXIO_") or name == "COLUMNS"]:
        del os.environ[name]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A Postgres for the whole run."""
    started = Postgres(tmp_path_factory.mktemp("postgres"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    """An opened database with our tables, without a server. Tests keep to an organisation of their own."""
    opened = Database(pool_size=10, statement_cache_size=100)
    opened.open(postgres.new_database())
    await migrate(opened)
    yield opened
    await opened.close()


@pytest.fixture
def org_id() -> OrgId:
    """An organisation that no other test uses."""
    return OrgId(next(_org_ids))


@pytest.fixture
def user_id() -> UserId:
    """A user whom no other test uses."""
    return UserId(f"user-{uuid4()}")


@pytest.fixture(scope="session")
def server(postgres: Postgres) -> Iterator[RunningServer]:
    """The server that tests share. They keep to users of their own and delete nothing of others."""
    with running_server(postgres.new_database()) as started:
        yield started


@pytest.fixture
def fresh_server(postgres: Postgres) -> Iterator[RunningServer]:
    """A server that nobody else uses, on an empty database."""
    with running_server(postgres.new_database()) as started:
        yield started
