"""A run of a document, on a server of its own."""

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.seeds.answers")

from tests.running import Postgres, running_server  # noqa: E402 - imports must not precede the registration
from tests.seeds.execution import Run, executed  # noqa: E402 - likewise


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The run of the document that the test is parametrised with."""
    folder = tmp_path_factory.mktemp(request.param.name)
    with running_server(postgres.new_database()) as server, executed(request.param, server.url, folder) as run:
        yield run
