"""Generates the stubs that buf.gen.clients.yaml describes, of the languages that are named, or of all.

A language is named as its folder in client/ or build/clients/. One whose plugins are not installed is left out, which
is said; with `--strict` it is an error.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

_PROTOC = "/usr/bin/protoc"
_FOLDERS = ("reflexio", "google", "com", "Reflexio", "GPBMetadata")
"""What generated files are in: it goes before there are new ones."""
ROOT = Path(__file__).parents[1]


def language_of(plugin: dict[str, Any]) -> str:
    """What a plugin writes stubs for."""
    first, second, third = (*Path(plugin["out"]).parts, "")[:3]
    return third if first == "build" else second


def missing(plugin: dict[str, Any]) -> str | None:
    """The program that a plugin needs, where it is not there."""
    program = str(plugin.get("local", _PROTOC))
    return None if shutil.which(program) or (ROOT / program).exists() else program


def main() -> None:
    """Generate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("languages", nargs="*")
    parser.add_argument("--strict", action="store_true")
    chosen = parser.parse_args()
    template = yaml.safe_load((ROOT / "buf.gen.clients.yaml").read_text())
    known = {language_of(plugin) for plugin in template["plugins"]}
    if unknown := set(chosen.languages) - known:
        parser.error(f"no stubs are described for {', '.join(sorted(unknown))}")
    wanted = set(chosen.languages) or known
    without = {language_of(plugin): program for plugin in template["plugins"] if (program := missing(plugin))}
    for language in sorted(without.keys() & wanted):
        print(f"NOT GENERATED: {language}, because {without[language]} is not installed", file=sys.stderr)
    if chosen.strict and without.keys() & wanted:
        raise SystemExit(1)
    kept = [plugin for plugin in template["plugins"] if language_of(plugin) in wanted - without.keys()]
    for out in {ROOT / plugin["out"] for plugin in kept}:
        for folder in _FOLDERS:
            shutil.rmtree(out / folder, ignore_errors=True)
        out.mkdir(parents=True, exist_ok=True)
    if kept:
        command = ["buf", "generate", "--template", json.dumps({**template, "plugins": kept})]
        subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
