"""What is said of a call that is none, and the ways to ask for help."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["publish", "-u", "u", "hi", "there"], "Got more than it takes: there; put a text of several words in quotes"),
        (["search", "u", "where", "is", "it"], "Got more than it takes: is it; put a text of several words in quotes"),
        (["search", "--user", "u", "hello"], "No such option: --user; USER is an argument: give it without --user"),
        (["keys", "create", "--name", "x"], "No such option: --name; NAME is an argument: give it without --name"),
        (["search", "u", "--sinc", "2"], "--since"),
        (["--url", "x", "status"], "No such option: --url; options go after the command: "),
        (["keys", "--url", "x", "list"], "go after the command: root keys COMMAND --url"),
        (["search", "u", "--since", "2d", "--until", "5d"], "--until: is before --since"),
        (["interactions", "u", "--since", "2d", "--until", "5d"], "--until: is before --since"),
        (["sessions", "--since", "2026-05-02", "--until", "2026-05-01"], "--until: is before --since"),
        (["accounts", "role", "a@example.com", "boss"], "Invalid value for ROLE: must be one of reader"),
        (["accounts", "create", "a@example.com", "--role", "boss"], "Invalid value for --role: must be one of reader"),
        (["help", "nothing"], "No such command 'nothing'"),
    ],
)
def test_a_wrong_call_says_how_to_put_it_right(run, arguments, complaint):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert complaint in result.stderr


def test_a_key_of_nobody_names_what_makes_an_account(run):
    refused = run("keys", "create", "nightly")
    assert refused.exit_code == 1
    assert "say for which account with --account (`reflexio admin create` makes the first" in refused.stderr


def test_the_role_that_a_key_has_by_default_is_told(run):
    for command, default in (("keys", "[default: (the account's, but no more than yours)]"), ("accounts", "(member)")):
        assert default in " ".join(run(command, "create", "--help").stdout.split())


def test_a_range_of_one_second_is_one(run, user_id):
    moment = "2026-05-01T10:00:00"
    assert run("search", user_id, "--since", f"{moment}.5", "--until", moment).exit_code == 0


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (["-h"], ["--help"]),
        (["help"], ["--help"]),
        (["search", "-h"], ["search", "--help"]),
        (["help", "search"], ["search", "--help"]),
        (["help", "keys", "create"], ["keys", "create", "--help"]),
        (["keys", "create", "-h"], ["keys", "create", "--help"]),
    ],
)
def test_help_has_several_names(run, asked, shown):
    result = run(*asked)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")
    assert result.stdout == run(*shown).stdout
