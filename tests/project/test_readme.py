"""The README says what happens: its program is run with the real model, and its commands exist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import reflexio
from reflexio_server.embed.packaged_embedder import PackagedEmbedder

from tests.running import Postgres, RunningServer, running_server

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "README.md").read_text()


def _block(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", _README, re.DOTALL)[number]


def test_the_program_prints_what_the_readme_says(postgres: Postgres) -> None:
    embedder = PackagedEmbedder()
    with running_server(postgres.new_database(), embedder=embedder) as server:
        ran = subprocess.run(
            [sys.executable, "-c", _block("python")],
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


def test_its_make_targets_exist() -> None:
    makefile = (_ROOT / "Makefile").read_text()
    targets = set(re.findall(r"make ([a-z-]+)", "\n".join(re.findall(r"```sh\n(.*?)```", _README, re.DOTALL))))
    assert {"serve", "test"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", _README)
    assert links
    for link in links:
        assert (_ROOT / link).exists(), link
