"""The repository about itself: small files, and nothing in them that belongs to one machine."""

import re
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_LONGEST = 300
_GENERATED = ("client/python/reflexio/v1/", "third_party/", "server/reflexio_server/validate/contract.binpb")
_BINARY = {".binpb", ".npz", ".onnx", ".png"}
_OF_ONE_MACHINE = re.compile(r"/work/(?:main|shared)|/root/\.|pythonhosted|pypi\.org|npmjs|deb\.debian")
_SECRET = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bghp_\w{36}\b")


def _files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.splitlines() if not name.startswith(_GENERATED)]
    return [_ROOT / name for name in names if (_ROOT / name).is_file() and Path(name).suffix not in _BINARY]


@pytest.mark.parametrize("path", [p for p in _files() if p.suffix == ".py"], ids=lambda p: str(p.relative_to(_ROOT)))
def test_no_file_needs_scrolling_to_understand(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= _LONGEST


def test_nothing_belongs_to_one_machine() -> None:
    others = [path for path in _files() if path != Path(__file__)]
    found = {
        str(path.relative_to(_ROOT)): match.group()
        for path in others
        for pattern in (_OF_ONE_MACHINE, _SECRET)
        if (match := pattern.search(path.read_text())) is not None
    }
    assert found == {}
