"""Logins, keys, accounts, organisations and the trail on the command line; no secret where others see it."""

import json
import stat
from pathlib import Path
from uuid import uuid4

import pytest
from reflexio_server.cli import app, credentials
from typer.testing import CliRunner

from tests.identity.tenants import made
from tests.running import Postgres, running_server

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def keyed(postgres: Postgres):
    """A server that asks for keys, its operator, and its database."""
    url = postgres.new_database()
    with running_server(url, auth="api-key") as server:
        yield server, made(url, org_id=1), url


@pytest.fixture
def home(tmp_path) -> Path:
    """Where the keys of this test are kept."""
    return tmp_path / "settings" / "credentials.json"


@pytest.fixture
def run(keyed, home):
    """Run `reflexio` at that server; the operator's key is given with `key=True`."""
    server, operator, _ = keyed

    def invoke(*arguments, stdin=None, key=False, **environment):
        given = {"REFLEXIO_URL": server.url, "COLUMNS": None, credentials.FILE_VARIABLE: str(home), **environment}
        if key:
            given["REFLEXIO_API_KEY"] = operator.keys[3]
        result = CliRunner(env=given).invoke(app, [str(argument) for argument in arguments], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def ana(run):
    """The address of a member whose password is known."""
    email = f"ana-{uuid4()}@example.com"
    assert run("accounts", "create", email, "--password-stdin", key=True, stdin=PASSWORD).exit_code == 0
    return email


def test_a_login_is_used_by_later_commands_until_the_logout(run, ana, home):
    refused = run("interactions", "u")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "API_KEY_MISSING" in refused.stderr
    assert "reflexio login" in refused.stderr

    done = run("login", ana, stdin=f"{PASSWORD}\n")
    assert done.exit_code == 0
    assert PASSWORD not in done.stdout + done.stderr
    assert str(home) in done.stdout
    assert "rflx-" not in done.stdout + done.stderr
    assert stat.S_IMODE(home.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.parent.stat().st_mode) == 0o700
    [kept] = json.loads(home.read_text()).values()
    assert PASSWORD not in home.read_text()

    assert run("interactions", "u").exit_code == 0
    assert f"{ana}, member of organisation 1 (default)" in run("status").stdout
    listed = [json.loads(line) for line in run("keys", "list", "--json").stdout.splitlines()]
    assert [key["account_email"] for key in listed] == [ana]
    assert kept["api_key"].startswith(listed[0]["hint"])
    assert run("interactions", "u", "--api-key", "rflx-another").exit_code == 1, "a key that is given comes first"
    assert run("interactions", "u", REFLEXIO_API_KEY="rflx-another").exit_code == 1

    out = run("logout")
    assert (out.exit_code, "logged out" in out.stdout) == (0, True)
    assert kept["api_key"] not in home.read_text()
    assert run("interactions", "u", "--api-key", kept["api_key"]).exit_code == 1, "it is revoked"
    again = run("logout", "--json")
    assert json.loads(again.stdout) | {"url": ""} == {"url": "", "was_logged_in": False, "revoked": False}


def test_a_wrong_password_keeps_nothing(run, ana, home):
    refused = run("login", ana, "--password-stdin", stdin="wrong")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "LOGIN_REFUSED" in refused.stderr
    assert not home.exists()


def test_a_key_is_sent_to_the_server_it_is_of_and_to_no_other(run, ana, home, server):
    assert run("login", ana, "--password-stdin", stdin=PASSWORD).exit_code == 0
    kept = json.loads(home.read_text())
    [name] = kept
    assert credentials_for(home, f"{name}/") == credentials_for(home, name.upper()) == kept[name]["api_key"]
    bare = name.removeprefix("http://")
    with_or_without_tls = bare if bare != name else f"http://{bare}"
    for other in (f"https://{bare}", with_or_without_tls, f"{name}0", server.url):
        assert credentials_for(home, other) == ""
    second = run("login", "anybody@example.com", "--password-stdin", "--url", server.url, stdin="x")
    assert "asks for no keys; nothing was kept" in second.stdout
    assert json.loads(home.read_text()) == kept
    assert run("whoami", "--help").exit_code == 2
    assert run("interactions", "u").exit_code == 0


def test_a_server_without_keys_takes_no_place_of_a_key(run, home, server):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(credentials.FILE_VARIABLE, str(home))
        credentials.keep(server.url, "rflx-good", "ana@example.com")
    before = home.read_text()
    done = run("login", "ana@example.com", "--password-stdin", "--json", "--url", server.url, stdin="x")
    assert (done.exit_code, json.loads(done.stdout)["credentials_file"]) == (0, None)
    assert home.read_text() == before


def credentials_for(home: Path, url: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(credentials.FILE_VARIABLE, str(home))
        return credentials.key_for(url)


def test_a_file_that_others_may_read_is_not_used(run, ana, home):
    run("login", ana, "--password-stdin", stdin=PASSWORD)
    home.chmod(0o640)
    refused = run("interactions", "u")
    assert refused.exit_code == 1
    assert "others may read it" in refused.stderr
    run("login", ana, "--password-stdin", stdin=PASSWORD)
    assert stat.S_IMODE(home.stat().st_mode) == 0o600
    assert run("interactions", "u").exit_code == 0


def test_a_damaged_file_counts_as_none(run, ana, home):
    home.parent.mkdir(parents=True)
    for text in ("{", "[]", '{"x": 1}', ""):
        home.write_text(text)
        home.chmod(0o600)
        assert run("interactions", "u").exit_code == 1
    assert run("login", ana, "--password-stdin", stdin=PASSWORD).exit_code == 0
    assert run("interactions", "u").exit_code == 0


def test_accounts_are_made_listed_and_changed(run, ana):
    assert [word for word in run("accounts", "list", key=True).stdout.split() if word == ana]
    assert json.loads(run("accounts", "role", ana, "reader", "--json", key=True).stdout)["role"] == "reader"
    assert json.loads(run("accounts", "disable", ana, "--json", key=True).stdout)["disabled_at"]
    refused = run("login", ana, "--password-stdin", stdin=PASSWORD)
    assert "LOGIN_REFUSED" in refused.stderr
    assert json.loads(run("accounts", "enable", ana, "--json", key=True).stdout)["disabled_at"] is None
    new = "another password"
    assert run("accounts", "reset-password", ana, key=True, stdin=f"{new}\n{new}\n").exit_code == 0
    back = run("accounts", "change-password", ana, "--password-stdin", "--revoke-keys", stdin=f"{new}\n{PASSWORD}\n")
    assert (back.exit_code, back.stdout.strip()) == (0, f"changed the password of {ana}; 0 keys were revoked")
    assert run("login", ana, "--password-stdin", stdin=PASSWORD).exit_code == 0
    assert run("accounts", "create", "nobody", "--password-stdin", key=True, stdin=PASSWORD).exit_code == 1
    assert run("accounts", "role", ana, "boss", key=True).exit_code == 2
    assert run("accounts", "create", f"x{ana}", "--password-stdin", key=True, stdin="").exit_code == 2


def test_a_new_password_is_asked_for_twice(run, ana):
    different = run("accounts", "reset-password", ana, key=True, stdin=f"{PASSWORD}\nanother password\n")
    assert different.exit_code == 2, "it is asked for again, and nobody answers"
    assert PASSWORD not in different.stdout + different.stderr


def test_keys_are_shown_once_and_revoked(run, ana):
    made_key = run("keys", "create", "nightly", "--account", ana, "--role", "reader", key=True)
    secret = made_key.stdout.strip()
    assert secret.startswith("rflx-")
    assert secret not in made_key.stderr
    assert run("interactions", "u", "--api-key", secret).exit_code == 0
    denied = run("publish", "--user", "u", "hello", "--api-key", secret)
    assert "PERMISSION_DENIED" in denied.stderr
    table = run("keys", "list", "--account", ana, key=True).stdout
    assert secret not in table
    assert f"{secret[:9]}…" in table
    number = json.loads(run("keys", "list", "--account", ana, "--json", key=True).stdout)["api_key_id"]
    revoked = run("keys", "revoke", number, key=True).stdout
    assert revoked.startswith(f"key {number} (nightly) of {ana} is revoked since 20")
    again = run("keys", "revoke", number, key=True)
    assert (again.exit_code, again.stdout) == (0, revoked), "it says since when"
    assert run("keys", "list", "--account", ana, "--json", key=True).stdout == ""
    assert json.loads(run("keys", "list", "--account", ana, "--revoked", "--json", key=True).stdout)["revoked_at"]
    assert run("keys", "create", "n", "--role", "boss", key=True).exit_code == 2


def test_organizations_certificates_and_the_trail(run):
    name, admin = f"shop {uuid4()}", f"boss-{uuid4()}@example.com"
    created = run("organizations", "create", name, "--admin", admin, "--password-stdin", key=True, stdin=PASSWORD)
    assert f"({name}); {admin} is its administrator" in created.stdout
    assert name in run("organizations", "list", key=True).stdout
    uri = f"spiffe://example.com/{uuid4()}"
    assert run("certificates", "create", uri, "--organization", name, key=True).stdout == f"{uri} is member of {name}\n"
    assert uri in run("certificates", "list", key=True).stdout
    assert run("certificates", "delete", uri, key=True).exit_code == 0
    assert uri not in run("certificates", "list", "--json", key=True).stdout

    assert run("login", admin, "--password-stdin", stdin=PASSWORD).exit_code == 0
    events = [json.loads(line) for line in run("audit", "--json").stdout.splitlines()]
    assert [event["action"] for event in events] == ["login", "create_organization"]
    assert run("audit", "--action", "login", "-n", 1).stdout.splitlines()[1].split()[2] == admin
    assert run("audit", "--action", "foo").stderr == (
        "Nothing is recorded of the action 'foo'; recorded lately: create_organization, login.\n"
    )
    assert "PERMISSION_DENIED" in run("organizations", "list").stderr


def test_a_secret_is_no_argument(run):
    for command in (["login"], ["accounts", "create"], ["accounts", "change-password"], ["organizations", "create"]):
        words = run(*command, "--help").stdout.split()
        assert "--password-stdin" in words
        assert "--password" not in words


def test_a_logout_without_the_server_forgets_the_key_and_says_that_it_is_still_valid(home):
    environment = {credentials.FILE_VARIABLE: str(home), "COLUMNS": None}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(credentials.FILE_VARIABLE, str(home))
        credentials.keep("http://127.0.0.1:9", "rflx-x", "ana@example.com")
    result = CliRunner(env=environment).invoke(app, ["logout", "--url", "http://127.0.0.1:9", "--timeout", "1"])
    assert result.exit_code == 1
    assert "still valid" in result.stderr
    assert json.loads(home.read_text()) == {}
