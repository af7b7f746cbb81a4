"""What tests of the wire share."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from reflexio_server.domain.ids import UserId

from tests.rpc.baseline import Baseline, publish_baseline
from tests.rpc.refusing_tables import RefusingTables
from tests.rpc.wire import METHODS, Caller
from tests.running import Postgres, RunningServer, running_server


@pytest.fixture(scope="session")
def strict_server(postgres: Postgres):
    """A server with a low limit for images. Tests keep to users of their own."""
    with running_server(postgres.new_database(), max_image_mb=1) as started:
        yield started


@pytest.fixture(scope="session")
async def call(strict_server: RunningServer) -> AsyncIterator[Caller]:
    """Calls the server that these tests share."""
    caller = Caller(strict_server.target)
    yield caller
    await caller.channel.close()


@pytest.fixture
async def fresh_call(fresh_server: RunningServer) -> AsyncIterator[Caller]:
    """Calls a server that nobody else uses."""
    caller = Caller(fresh_server.target)
    yield caller
    await caller.channel.close()


@pytest.fixture
def tables(postgres: Postgres) -> RefusingTables:
    """The database of the server that `on_tables` calls."""
    return RefusingTables(postgres.new_database())


@pytest.fixture
async def on_tables(tables: RefusingTables) -> AsyncIterator[Caller]:
    """Calls a server whose tables can be made to refuse."""
    with running_server(tables.url.render_as_string(hide_password=False)) as server:
        caller = Caller(server.target)
        yield caller
        await caller.channel.close()


@pytest.fixture
async def there(request: pytest.FixtureRequest, call: Caller, user_id: UserId) -> Baseline:
    """Something that must not change; nothing where it is about accounts and keys, which have no part in it."""
    parameters = getattr(request.node, "callspec", None)
    for parameter in parameters.params.values() if parameters else ():
        method = METHODS.get(getattr(parameter, "method", parameter))
        if method is not None and method.containing_service.name == "AccessService":
            return Baseline(user_id, f"session of {user_id}", str(uuid4()), ())
    return await publish_baseline(call, user_id)
