"""`pip install reflexio` is a client that works: it needs what pyproject.toml says it needs, and nothing else."""

import shutil
import subprocess
import venv
from importlib import metadata
from pathlib import Path

import pytest
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from packaging.requirements import Requirement
from reflexio.v1.interaction_service_pb2 import PublishInteractionsResponse, SearchInteractionsResponse

from tests.client.wire import WireServer, refuse

ROOT = Path(__file__).parents[2]

PROGRAM = """
import asyncio, importlib, sys
import reflexio

for missing in ("numpy", "pydantic", "google.rpc", "grpc_status", "reflexio_server"):
    try:
        importlib.import_module(missing)
    except ImportError:
        continue
    raise SystemExit(f"{missing} is here, so this proves nothing")

with reflexio.ReflexioClient(url_endpoint=sys.argv[1]) as client:
    assert client.publish_interaction("u", [{"content": "hello"}]).message == "stored"
    [found] = client.search_interactions(user_id="u", query="hi").interactions
    assert (found.content, found.score) == ("hello", 0.5)

async def main():
    async with reflexio.AsyncReflexioClient(url_endpoint=sys.argv[1]) as client:
        try:
            await client.delete_interaction("u", 0)
        except reflexio.InvalidArgumentError as error:
            return error.reason, error.field_violations[0].field

assert asyncio.run(main()) == ("INVALID_FIELD", "interaction_id")
print("all is well")
"""


def dependencies_of(name: str) -> set[str]:
    """The distributions that an installation of `name` without extras brings along."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for text in metadata.requires(waiting.pop()) or ():
            requirement = Requirement(text)
            if requirement.name not in found and (not requirement.marker or requirement.marker.evaluate({"extra": ""})):
                found.add(requirement.name)
                waiting.append(requirement.name)
    return found


@pytest.fixture(scope="module")
def clean_python(tmp_path_factory):
    """A Python with the client and what the client declares, copied from here so that no network is needed."""
    place = tmp_path_factory.mktemp("light")
    venv.create(place, with_pip=False, symlinks=True)
    [packages] = place.glob("lib/python*/site-packages")
    for name in dependencies_of("reflexio"):
        for file in metadata.files(name) or ():
            if not file.parts[0].startswith("..") and "__pycache__" not in file.parts:
                target = packages / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file.locate(), target)
    shutil.copytree(
        ROOT / "client/python/reflexio", packages / "reflexio", ignore=shutil.ignore_patterns("__pycache__")
    )
    return place / "bin" / "python"


def test_grpc_and_protobuf_are_all_that_it_declares():
    declared = {Requirement(text) for text in metadata.requires("reflexio") or ()}

    assert {requirement.name for requirement in declared if not requirement.marker} == {"grpcio", "protobuf"}


def test_in_a_clean_environment_both_clients_work_and_errors_have_their_details(clean_python):
    violation = BadRequest(field_violations=[{"field": "interaction_id", "description": "must be at least 1"}])
    info = ErrorInfo(reason="ERROR_REASON_INVALID_FIELD", domain="reflexio")
    hit = {"interaction": {"content": "hello"}, "score": 0.5}
    server = WireServer()
    server.answers = {
        "PublishInteractions": lambda *_: PublishInteractionsResponse(message="stored"),
        "SearchInteractions": lambda *_: SearchInteractionsResponse(hits=[hit]),
        "DeleteInteraction": lambda _, context: refuse(context, Code.INVALID_ARGUMENT, "bad", info, violation),
    }
    try:
        command = [clean_python, "-I", "-W", "error", "-c", PROGRAM, server.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    finally:
        server.stop()

    assert (done.stdout.strip(), done.stderr) == ("all is well", "")
