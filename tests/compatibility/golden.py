"""The golden files: what messages of released contracts were on the wire, and what that means."""

import json
import re
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message_factory import GetMessageClass

_HERE = Path(__file__).parent
FOLDER = _HERE / "golden"
RELEASED = _HERE.parents[1] / "proto" / "released.binpb"


def names() -> list[str]:
    """Of all golden files, without their endings."""
    return sorted(path.stem for path in FOLDER.glob("*.binpb"))


def wire(name: str) -> bytes:
    """The bytes."""
    return (FOLDER / f"{name}.binpb").read_bytes()


def meaning(name: str) -> Any:
    """The same in proto3 JSON."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def message_of(name: str) -> str:
    """Which message a golden file is of: what follows tells the member of a oneof, or that it is a later one."""
    return re.split(r"[.+]", name)[0]


def not_covered(described: Descriptor) -> set[str]:
    """The fields that are set in no golden file of a message; its own name where it has no file at all."""
    files = [name for name in names() if message_of(name) == described.name]
    if not files:
        return {described.name}
    messages = [GetMessageClass(described).FromString(wire(name)) for name in files]
    return {field.name for field in described.fields} - {
        field.name for message in messages for field, _ in message.ListFields()
    }
