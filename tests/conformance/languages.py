"""What each language needs, how its runner is built, and which commands run it and the program of its README."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.conformance.running import ROOT, Runner

_BUILD = ROOT / "build" / "clients"
_GENERATE = [sys.executable, "tools/generate_clients.py", "--strict"]
_GO = {
    "GO111MODULE": "off",
    "GOFLAGS": "",
    "GOPATH": f"{_BUILD / 'go'}:/usr/share/gocode",
    "GOCACHE": str(_BUILD / "go" / "cache"),
}
_NPM = ["npm", "--prefix", "client/typescript"]


class CannotInstall(Exception):
    """What a language needs is not there, and cannot be installed."""


class DoesNotBuild(Exception):
    """Everything is there, and a runner does not build."""


@dataclass(frozen=True)
class Language:
    """One language; commands are run in the root of the repository."""

    name: str
    """That of its folder in client/."""
    title: str
    runner: Sequence[str]
    program: Sequence[str] = ()
    """What its README shows; `host:port` is its argument."""
    source: str = ""
    """The file of that program."""
    debian: Sequence[str] = ()
    """Packages that it needs."""
    tools: Sequence[str] = ()
    """Programs and files by which it is known that they are there."""
    install: Sequence[Sequence[str]] = ()
    """What else is to be fetched, and from where."""
    build: Sequence[Sequence[str]] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def prepare(self) -> Runner:
        """Install what is missing, where that can be done, and build the runner.

        Raises:
            CannotInstall: With the reason.
            DoesNotBuild: With what the compiler said.
        """
        missing = [tool for tool in self.tools if shutil.which(tool) is None and not Path(tool).exists()]
        if missing:
            self._install_packages(missing)
        for command in self.install:
            self._do(command, CannotInstall)
        for command in self.build:
            self._do(command, DoesNotBuild)
        return Runner(self.runner, self.environment)

    def _install_packages(self, missing: Sequence[str]) -> None:
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            raise CannotInstall(f"{', '.join(missing)} missing; on Debian: apt-get install {' '.join(self.debian)}")
        apt = ["apt-get", "-o", "DPkg::Lock::Timeout=600", "--yes"]
        self._do([*apt, "update"], CannotInstall)
        self._do([*apt, "install", "--no-install-recommends", *self.debian], CannotInstall)

    def _do(self, command: Sequence[str], failure: type[Exception]) -> None:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", **self.environment}
        try:
            ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        except OSError as error:
            raise failure(f"{' '.join(command)}: {error}") from None
        if ran.returncode:
            raise failure(f"{' '.join(command)}: {(ran.stderr or ran.stdout).strip()[-2000:]}")


PYTHON = Language(
    name="python",
    title="Python",
    runner=[sys.executable, "-m", "conformance"],
    environment={"PYTHONPATH": str(ROOT / "client" / "python")},
)
TYPESCRIPT = Language(
    name="typescript",
    title="TypeScript",
    runner=["node", "client/typescript/dist/conformance/main.js"],
    program=["node", "client/typescript/dist/quickstart.js"],
    source="client/typescript/quickstart.ts",
    debian=["nodejs", "npm"],
    tools=["node", "npm"],
    install=[[*_NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]],
    build=[[*_NPM, "run", "build"]],
)
GO = Language(
    name="go",
    title="Go",
    runner=["build/clients/go/bin/conformance"],
    program=["build/clients/go/bin/quickstart"],
    source="client/go/quickstart/main.go",
    debian=[
        "golang-go",
        "golang-google-grpc-dev",
        "golang-google-genproto-dev",
        # Named, because apt would take version 1.3, which panics on a Struct.
        "golang-github-golang-protobuf-1-5-dev",
        "protoc-gen-go-1-5",
        "protoc-gen-go-grpc",
    ],
    tools=["go", "protoc-gen-go", "protoc-gen-go-grpc", "/usr/share/gocode/src/google.golang.org/grpc"],
    build=[
        ["mkdir", "-p", "build/clients/go/src/reflexio.example", "build/clients/go/bin"],
        ["ln", "-sfn", str(ROOT / "client" / "go"), "build/clients/go/src/reflexio.example/go"],
        [
            "go",
            "build",
            "-o",
            "build/clients/go/bin/",
            "reflexio.example/go/conformance",
            "reflexio.example/go/quickstart",
            "reflexio.example/go/robust",
        ],
    ],
    environment=_GO,
)

LANGUAGES = [PYTHON, TYPESCRIPT, GO]
