"""The README says what happens: its program is run with the real model, and its commands exist."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import reflexio
from reflexio_server.embed.packaged_embedder import PackagedEmbedder

from tests.certificates import Authority, Files
from tests.identity.tenants import made
from tests.running import Postgres, RunningServer, running_server

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "README.md").read_text()


def _block(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", _README, re.DOTALL)[number]


_PROMPT = """
import code, sys
console = code.InteractiveConsole()
more = [console.push(line) for line in sys.stdin.read().splitlines()]
sys.exit(more[-1])
"""
"""What a Python prompt does with what is pasted; fails where that waits for another Enter."""


def test_the_program_prints_what_the_readme_says_as_soon_as_it_is_pasted(postgres: Postgres) -> None:
    embedder = PackagedEmbedder()
    with running_server(postgres.new_database(), embedder=embedder) as server:
        ran = subprocess.run(
            [sys.executable, "-c", _PROMPT],
            input=_block("python"),
            env={**os.environ, "REFLEXIO_API_URL": server.url},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert ran.stdout == _block("text")


def test_the_program_that_must_not_wait_publishes(server: RunningServer, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _block("python", 1)],
        env={**os.environ, "REFLEXIO_API_URL": server.url, "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert (ran.stdout, ran.stderr) == ("True 1\n", "")
    with reflexio.ReflexioClient(url_endpoint=server.url) as client:
        assert client.get_interactions("ana", top_k=1).interactions[0].content == "Call me Annie."


def test_the_program_that_speaks_tls_is_let_in(postgres: Postgres, tmp_path: Path) -> None:
    authority, files = Authority("of the readme"), Files(tmp_path)
    files.put(authority.issue("localhost"), authority)
    files.ca.rename(tmp_path / "ca.crt")
    url = postgres.new_database()
    with running_server(url, auth="api-key", tls_cert=files.cert, tls_key=files.key) as server:
        program = _block("python", 2).replace(":8081", f":{server.app.port}")
        ran = subprocess.run(
            [sys.executable, "-c", program.replace("rflx-…", made(url, org_id=1).keys[3])],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert (ran.stdout, ran.stderr) == ("admin\n", "")


def test_a_call_without_stubs_is_answered(server: RunningServer) -> None:
    [commands] = [block for block in re.findall(r"```sh\n(.*?)```", _README, re.DOTALL) if "buf curl" in block]
    assert commands.count("127.0.0.1:8081") == 1
    ran = subprocess.run(
        ["bash", "-euc", commands.replace("127.0.0.1:8081", server.target)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    published, found = _json_values(ran.stdout)
    assert published["message"]
    assert [hit["interaction"]["content"] for hit in found["hits"]] == ["Call me Benjamin."]


def _json_values(text: str) -> list[Any]:
    values, decoder = [], json.JSONDecoder()
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:]
    return values


def test_its_make_targets_exist() -> None:
    makefile = (_ROOT / "Makefile").read_text()
    targets = set(re.findall(r"make ([a-z-]+)", "\n".join(re.findall(r"```sh\n(.*?)```", _README, re.DOTALL))))
    assert {"serve", "test"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_make_lists_what_one_runs_every_day_first() -> None:
    listed = subprocess.run(["make", "help"], cwd=_ROOT, capture_output=True, text=True, check=True, timeout=10).stdout
    names = re.findall(r"^  make ([a-z-]+) ", listed, re.MULTILINE)
    assert names[:7] == ["help", "serve", "test", "test-fast", "check", "format", "clean"]


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", _README)
    assert links
    for link in links:
        assert (_ROOT / link).exists(), link


def test_what_it_says_of_least_scores_was_measured() -> None:
    table = (_ROOT / "docs" / "search-quality.md").read_text().partition("**min_score, hybrid**")[2]
    said = re.findall(r"(0\.\d\d) loses (\d+) %[^;.]*?finds something for (\d+) %", _README.replace("\n", " "))
    assert [score for score, _, _ in said] == ["0.15", "0.25"]
    for score, lost, through in said:
        measured = re.search(rf"^\| {re.escape(score)} \| ([\d.]+) \| ([\d.]+) \|$", table, re.MULTILINE)
        assert measured
        assert (round(float(measured[1])), round(float(measured[2]))) == (int(through), int(lost))
