"""docs/settings.md, the flags of `reflexio serve` and the settings say the same."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from reflexio_server.cli import app
from reflexio_server.cli.serve import command
from reflexio_server.cli.serve_flags import default_of, problem_of, values_of
from reflexio_server.settings import Settings
from typer.testing import CliRunner

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(scope="module")
def documented():
    """The rows of the first table, by variable."""
    table = DOCUMENT.read_text("utf-8").split("\n\n")[2]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]
    return {row[0].strip("` "): row[1:] for row in rows}


@pytest.fixture(scope="module")
def options():
    """The options of the real command that set a setting, by variable."""
    return {option.envvar: option for option in command().params if option.envvar}


def test_the_table_has_every_setting_and_no_other(documented):
    assert list(documented) == [f"REFLEXIO_{name.upper()}" for name in Settings.model_fields]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_row_says_what_the_code_says(documented, options, name):
    field = Settings.model_fields[name]
    flags, values, default, meaning = documented[f"REFLEXIO_{name.upper()}"]
    option = options[f"REFLEXIO_{name.upper()}"]
    assert re.findall(r"`(.+?)`", flags) == [*option.opts, *option.secondary_opts]
    assert values == values_of(field)
    assert meaning == field.description
    if name == "data_dir":
        assert default == "`reflexio` in the user's data folder (on Linux `~/.local/share/reflexio`)"
    else:
        assert default.strip("`") == (default_of(field) or "none")


def test_the_help_of_serve_has_every_flag_variable_and_default():
    text = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "120"}).stdout
    flat = re.sub(r"\s+", "", text)
    for name, field in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in flat
        assert f"envvar:REFLEXIO_{name.upper()}" in flat
        assert default_of(field).replace(" ", "") in flat
        assert re.sub(r"\s+", "", field.description) in flat


@pytest.mark.parametrize("name", Settings.model_fields)
@pytest.mark.parametrize("value", ["", "x", "-1", "nan", "9" * 30])
def test_a_value_that_does_not_fit_is_told_in_words_of_ours(name, value):
    try:
        Settings(**{name: value})
    except ValidationError as error:
        field, problem = problem_of(error)
        assert field == name
        assert problem.startswith("must ")
        assert not re.search(r"should|parse|Input|String|boolean", problem)
