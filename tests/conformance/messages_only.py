"""Languages for which Debian has no gRPC: their generated code is tried without a server."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from tests.conformance.languages import GENERATE, CannotInstall, DoesNotBuild, Language

# Debian's, by its path: what else is called so may be rustup's, which has a toolchain for some users only.
_CARGO = [
    "/usr/bin/cargo",
    "--config",
    "build.rustc='/usr/bin/rustc'",
    "--config",
    "source.crates-io.replace-with='debian'",
    "--config",
    "source.debian.directory='/usr/share/cargo/registry'",
]
_RUST = "build/clients/rust"


@dataclass(frozen=True)
class MessagesOnly:
    """A language that is tried by building it."""

    language: Language
    done: str
    """What its build does."""

    def outcome(self) -> tuple[str, str]:
        """Do it. Returns what became of it, for people, and what is wrong, if anything."""
        try:
            self.language.prepare()
        except CannotInstall as error:
            return f"not tried: {error}", ""
        except DoesNotBuild as error:
            return "**FAILED**", f"{self.language.title}: {error}"
        return self.done, ""


PHP = MessagesOnly(
    Language(
        name="php",
        title="PHP",
        runner=[],
        debian=["php-bcmath", "php-cli", "php-google-protobuf", "protobuf-compiler", "protobuf-compiler-grpc"],
        tools=["php", "protoc", "grpc_php_plugin", "/usr/share/doc/php-bcmath", "/usr/share/doc/php-google-protobuf"],
        build=[[*GENERATE, "php"], ["php", "client/php/messages.php", "tests/compatibility/golden"]],
    ),
    "every message of the first release read and written; classes of services parsed",
)
CSHARP = MessagesOnly(
    Language(
        name="csharp",
        title="C#",
        runner=[],
        debian=["mono-mcs", "protobuf-compiler"],
        tools=["mcs", "protoc"],
        build=[[*GENERATE, "csharp"], ["mcs", "--parse", "-recurse:build/clients/csharp/*.cs"]],
    ),
    "messages parsed, not compiled; no services generated",
)
RUST = MessagesOnly(
    Language(
        name="rust",
        title="Rust",
        runner=[],
        debian=["cargo", "librust-prost-build-dev", "librust-prost-dev", "librust-prost-types-dev", "rustc"],
        tools=["/usr/bin/cargo", "/usr/bin/rustc", "/usr/share/cargo/registry/prost-build-0.11.6"],
        build=[
            ["mkdir", "-p", f"{_RUST}/rewritten"],
            ["buf", "build", "--path", "proto/reflexio", "--as-file-descriptor-set", "-o", f"{_RUST}/contract.binpb"],
            [*_CARGO, "build", "--offline", "--manifest-path", "client/rust/Cargo.toml", "--target-dir", _RUST],
            [f"{_RUST}/debug/reflexio-messages", "tests/compatibility/golden", f"{_RUST}/rewritten"],
            [sys.executable, "-m", "tests.compatibility.rewritten", f"{_RUST}/rewritten"],
        ],
    ),
    "every message of the first release read and written; no services generated",
)
MESSAGES_ONLY = [PHP, CSHARP, RUST]


def tried(chosen: Iterable[MessagesOnly]) -> tuple[str, list[str]]:
    """Try them.

    Returns:
        A table for people, empty where none was chosen; and what is wrong.
    """
    outcomes = {one.language.title: one.outcome() for one in chosen}
    rows = [f"| {title} | {text} |" for title, (text, _) in outcomes.items()]
    written = "\n".join(["", "| without a server | what was done |", "| --- | --- |", *rows, ""]) if rows else ""
    return written, [problem for _, problem in outcomes.values() if problem]
