"""What `import reflexio` offers, and that both clients offer the same."""

import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import reflexio
from reflexio import errors, models

ROOT = Path(__file__).parents[2]
PUBLISH_ARGUMENTS = (
    "user_id interactions source agent_version session_id wait_for_response skip_aggregation force_extraction"
)


def methods_of(client_class):
    members = inspect.getmembers(client_class, inspect.isfunction)
    return {name: member for name, member in members if name not in {"_send", "_imported"}}


def test_everything_that_is_promised_can_be_imported():
    assert [name for name in reflexio.__all__ if not hasattr(reflexio, name)] == []
    assert sorted(reflexio.__all__, key=str) == sorted(set(reflexio.__all__))


def test_every_model_and_every_error_is_public():
    raised = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}

    assert set(models.__all__) | raised <= set(reflexio.__all__)


def test_the_error_tree_in_the_documentation_is_the_real_one():
    drawn = {word for word in errors.__doc__.replace("(", " ").replace(")", " ").split() if word.endswith("Error")}
    real = {value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)}

    assert {error.__name__ for error in real} <= drawn


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert reflexio.__version__ == project["version"]


def test_both_clients_have_the_same_methods_with_the_same_parameters():
    def face(client_class):
        return {
            name.replace("__a", "__"): [
                (parameter.name, parameter.kind, parameter.default, parameter.annotation)
                for parameter in inspect.signature(method).parameters.values()
                # Only a loop can ask an asynchronous iterable.
                if parameter.name != "publishes"
            ]
            for name, method in methods_of(client_class).items()
        }

    assert face(reflexio.ReflexioClient) == face(reflexio.AsyncReflexioClient)


def test_every_method_that_sends_is_awaited_in_the_one_and_not_in_the_other():
    assert not any(inspect.iscoroutinefunction(method) for method in methods_of(reflexio.ReflexioClient).values())
    waits = {
        name
        for name, method in methods_of(reflexio.AsyncReflexioClient).items()
        if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)
    }
    iterated = {"publish_interactions", "import_data"}
    assert waits == set(methods_of(reflexio.AsyncReflexioClient)) - {"__init__", "__repr__"} - iterated


@pytest.mark.parametrize(
    ("method", "positional"),
    [
        ("publish_interaction", PUBLISH_ARGUMENTS),
        ("search_interactions", "request"),
        ("get_interactions", "user_id start_time end_time top_k"),
        ("get_all_interactions", "limit"),
        ("delete_interaction", "user_id interaction_id wait_for_response"),
        ("get_requests", "user_id request_id session_id start_time end_time top_k offset"),
        ("delete_request", "request_id wait_for_response"),
        ("delete_session", "session_id wait_for_response"),
        ("delete_request_group", "request_group wait_for_response"),
        ("delete_requests_by_ids", "request_ids"),
        ("delete_all_interactions", ""),
        ("erase_user", "user_id"),
        ("export_data", "user_id include_images"),
        ("import_data", "records"),
        ("get_retention", ""),
        ("set_retention", "max_age"),
    ],
)  # fmt: skip
def test_positional_arguments_are_in_the_documented_order(method, positional):
    parameters = list(inspect.signature(getattr(reflexio.ReflexioClient, method)).parameters.values())[1:]

    assert [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == positional.split()


def test_importing_it_imports_nothing_heavy_and_registers_no_validation_rules():
    program = (
        "import sys, reflexio; from google.protobuf import descriptor_pool;\n"
        "names = {name.partition('.')[0] for name in sys.modules};\n"
        "assert not names & {'numpy', 'pydantic', 'torch', 'reflexio_server', 'asyncpg'};\n"
        "assert not any(name.startswith(('google.rpc', 'buf')) for name in sys.modules);\n"
        "pool = descriptor_pool.Default()\n"
        "for name in ('buf/validate/validate.proto', 'google/rpc/status.proto'):\n"
        "    try: pool.FindFileByName(name)\n"
        "    except KeyError: continue\n"
        "    raise SystemExit(name)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)
