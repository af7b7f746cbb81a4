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
GENERATE = [sys.executable, "tools/generate_clients.py", "--strict"]
"""The command that generates the stubs of the languages named after it."""
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
    robust: Sequence[str] = ()
    """The other program that its README shows: over TLS with a key, with retries; `host:port` is its argument."""
    robust_source: str = ""
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
        if missing := self._missing():
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
        if missing := self._missing():
            raise CannotInstall(f"{', '.join(missing)} missing, although the packages are installed")

    def _missing(self) -> list[str]:
        return [tool for tool in self.tools if shutil.which(tool) is None and not Path(tool).exists()]

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
    robust=["node", "client/typescript/dist/robust.js"],
    robust_source="client/typescript/robust.ts",
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
    robust=["build/clients/go/bin/robust"],
    robust_source="client/go/robust/main.go",
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

CPP = Language(
    name="cpp",
    title="C++",
    runner=["build/clients/cpp/programs/runner"],
    program=["build/clients/cpp/programs/quickstart"],
    source="client/cpp/quickstart.cc",
    robust=["build/clients/cpp/programs/robust"],
    robust_source="client/cpp/robust.cc",
    debian=[
        "cmake",
        "g++",
        "libgrpc++-dev",
        "libprotobuf-dev",
        "make",
        "nlohmann-json3-dev",
        "pkg-config",
        "protobuf-compiler",
        "protobuf-compiler-grpc",
    ],
    tools=[
        "cmake",
        "g++",
        "make",
        "pkg-config",
        "protoc",
        "grpc_cpp_plugin",
        "/usr/include/grpcpp/grpcpp.h",
        "/usr/include/nlohmann/json.hpp",
    ],
    build=[
        [*GENERATE, "cpp"],
        ["cmake", "-S", "client/cpp", "-B", "build/clients/cpp/programs"],
        ["cmake", "--build", "build/clients/cpp/programs", "--parallel", "2"],
    ],
)
_JARS = (
    "geronimo-annotation-1.3-spec",
    "grpc-netty",
    "gson",
    "guava",
    "jsr305",
    "netty-handler",
    "netty-tcnative",
    "perfmark-api",
    "protobuf-util",
)
"""A file of each package that is easily missed."""
_JAVA = ["java", "@build/clients/java/options"]
JAVA = Language(
    name="java",
    title="Java",
    runner=[*_JAVA, "conformance.Runner"],
    program=[*_JAVA, "Quickstart"],
    source="client/java/Quickstart.java",
    robust=[*_JAVA, "Robust"],
    robust_source="client/java/Robust.java",
    debian=[
        "libgeronimo-annotation-1.3-spec-java",
        "libgoogle-gson-java",
        "libgrpc-java",
        "libguava-java",
        "libjsr305-java",
        "libnetty-java",
        "libnetty-tcnative-java",
        "libperfmark-java",
        "libprotobuf-java",
        "openjdk-17-jdk-headless",
        "protobuf-compiler",
        "protobuf-compiler-grpc-java-plugin",
    ],
    tools=[
        "javac",
        "protoc",
        "grpc_java_plugin",
        *(f"/usr/share/java/{jar}.jar" for jar in _JARS),
    ],
    build=[[*GENERATE, "java"], ["client/java/build.sh"]],
)
# Debian has them under names with versions; these are the same with any.
_GEMS = ("/usr/share/doc/ruby-grpc", "/usr/share/doc/ruby-googleapis-common-protos-types")
_RUBY = ["ruby", "-I", "build/clients/ruby"]
RUBY = Language(
    name="ruby",
    title="Ruby",
    runner=[*_RUBY, "client/ruby/conformance/run.rb"],
    program=[*_RUBY, "client/ruby/quickstart.rb"],
    source="client/ruby/quickstart.rb",
    robust=[*_RUBY, "client/ruby/robust.rb"],
    robust_source="client/ruby/robust.rb",
    debian=[
        "protobuf-compiler",
        "protobuf-compiler-grpc",
        "ruby",
        "ruby-googleapis-common-protos-types",
        "ruby-grpc",
    ],
    tools=["ruby", "protoc", "grpc_ruby_plugin", *_GEMS],
    build=[[*GENERATE, "ruby"]],
)

LANGUAGES = [PYTHON, TYPESCRIPT, GO, CPP, JAVA, RUBY]
