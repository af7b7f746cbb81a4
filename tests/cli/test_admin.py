"""The first administrator: two commands on a fresh machine, and the same beside a running server."""

import asyncio
import json
from pathlib import Path

import pytest
import reflexio
from reflexio_server import logs
from reflexio_server.access.caller import OPERATOR
from reflexio_server.cli import app
from reflexio_server.store import audit
from reflexio_server.store.attached import attached
from reflexio_server.store.embedded_postgres import EmbeddedPostgres
from typer.testing import CliRunner

from tests.effort import LONG
from tests.running import Postgres, running_server

PASSWORD = "correct horse battery"


def run(*arguments: str, stdin: str = f"{PASSWORD}\n", **environment: str):
    result = CliRunner(env=environment).invoke(app, ["admin", *arguments, "--password-stdin"], input=stdin)
    # The command lets the log go to its own standard error, which is gone with it.
    logs.configure("warning", "console")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_what_was_stored_without_authentication_belongs_to_the_first_administrator(
    postgres: Postgres, capfd: pytest.CaptureFixture[str]
):
    url = postgres.new_database()
    with running_server(url) as server, reflexio.ReflexioClient(url_endpoint=server.url) as client:
        client.publish_interaction("ana", [{"content": "from before"}])
    done = run("create", "Boss@Example.com", REFLEXIO_DATABASE_URL=url)
    assert done.exit_code == 0
    assert PASSWORD not in done.output
    with running_server(url):
        assert "there are accounts, but nobody is asked for a key" in capfd.readouterr().err
    with (
        running_server(url, auth="api-key") as server,
        reflexio.ReflexioClient(url_endpoint=server.url, api_key="of-before") as client,
    ):
        with pytest.raises(reflexio.ApiKeyInvalidError):
            client.get_interactions("ana")
        client.login("boss@example.com", PASSWORD)
        assert [found.content for found in client.get_interactions("ana").interactions] == ["from before"]
        who = client.whoami()
        assert (who.organization_id, who.organization_name, who.role) == (1, "default", "admin")
        # Beside the running server: somebody who is locked out.
        client.create_account("second@example.com", PASSWORD, "admin")
        client.update_account("boss@example.com", disabled=True)
        with pytest.raises(reflexio.ApiKeyInvalidError):
            client.whoami()
        assert run("reset", "boss@example.com", stdin="another password", REFLEXIO_DATABASE_URL=url).exit_code == 0
        assert client.whoami().role == "admin"
        client.login("boss@example.com", "another password")
        acts = [(e.actor, e.action) for e in client.list_audit_events() if e.actor == "operator"]
        assert acts == [("operator", "update_account"), ("operator", "create_account")]


@pytest.mark.skipif(not LONG, reason="REFLEXIO_LONG_TESTS runs it")
def test_a_fresh_folder_and_one_of_a_running_server(tmp_path: Path):
    folder = str(tmp_path / "data")
    assert run("create", "first@example.com", "--data-dir", folder).exit_code == 0
    running = EmbeddedPostgres(Path(folder))
    running.start()
    try:
        assert run("create", "second@example.com", "--data-dir", folder).exit_code == 0
        again = run("create", "second@example.com", "--data-dir", folder)
        assert again.exit_code == 1
        assert "exists already; `reflexio admin reset second@example.com`" in again.stderr

        async def recorded() -> list[str]:
            async with attached(None, Path(folder)) as database:
                return [e.target for e in await audit.events(database, OPERATOR, action="", before=99, limit=9)]

        assert asyncio.run(recorded()) == ["second@example.com, admin", "first@example.com, admin"]
    finally:
        running.stop()


def test_what_is_wrong_is_told(postgres: Postgres):
    url = postgres.new_database()
    assert run("create", "there@example.com", REFLEXIO_DATABASE_URL=url).exit_code == 0
    for arguments, code, words in (
        (("create", "there@example.com"), 1, "exists already; `reflexio admin reset there@example.com`"),
        (("create", "nobody"), 2, "no email address"),
        (("create", "a@example.com", "--database-url", "mysql://x"), 2, "--database-url"),
        (("create", "a@example.com", "--organization", "none"), 1, "there is no organisation 'none'"),
        (("reset", "a@example.com"), 1, "there is no account 'a@example.com'"),
    ):
        result = run(*arguments, REFLEXIO_DATABASE_URL=url)
        assert (result.exit_code, result.stdout) == (code, "")
        assert words in result.stderr
    short = run("create", "a@example.com", stdin="too short", REFLEXIO_DATABASE_URL=url)
    assert (short.exit_code, "12 characters" in short.stderr) == (2, True)
    assert "too short" not in short.output


def test_no_secret_is_in_an_error(postgres: Postgres):
    result = run("create", "a@example.com", REFLEXIO_DATABASE_URL="postgresql://u:hush@127.0.0.1:9/d")
    assert result.exit_code == 1
    assert "hush" not in json.dumps(result.output)


@pytest.mark.parametrize(
    ("user", "code", "told"),
    [
        ("nobody@/test_1", 2, 'Invalid value for --database-url: Postgres refuses the connection: role "nobody"'),
        ("me@127.0.0.1:1/db", 1, "cannot reach the database: [Errno"),
        ("me@127.0.0.1:99999/db", 2, "Invalid value for --database-url: a port must be"),
    ],
)
def test_a_database_that_cannot_be_used_is_told(postgres: Postgres, user: str, code: int, told: str):
    folder = postgres.superuser_url.query["host"] if "@/" in user else ""
    done = run("create", "x@example.com", REFLEXIO_DATABASE_URL=f"postgresql://{user}{folder and f'?host={folder}'}")
    assert done.exit_code == code
    assert told in done.stderr
