"""Runs Debian's protoc for buf, on a contract that its C++ and Java generators can cope with: a `protoc_path` of buf.

C++ has a method `has_x()` for a field `x` of a message type, so that a field named `has_x` beside it does not compile,
with any protoc. It becomes `has_x_`, as names do that are keywords of C++; bytes and JSON stay what they are.

`debug_redact` is younger than protobuf 3.21, whose Java generator takes it for a custom option without a definition,
and aborts. Debian's runtimes would do nothing with it: whoever prints a message of theirs prints its secrets.
"""

import subprocess
import sys
from collections.abc import Callable, Iterable

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet

_PROTOC = "/usr/bin/protoc"


def main() -> int:
    """Pass on what buf asks for. Returns protoc's exit status."""
    asked = sys.argv[1:]
    image = None
    if any(argument.startswith("--descriptor_set_in=") for argument in asked):
        files = FileDescriptorSet.FromString(sys.stdin.buffer.read())
        changes = [_without_redaction]
        if any(argument.startswith("--cpp_out=") for argument in asked):
            changes.append(_without_collisions)
        for file in files.file:
            _change(file.message_type, changes)
        image = files.SerializeToString()
    return subprocess.run([_PROTOC, *asked], input=image, check=False).returncode


def _change(messages: Iterable[DescriptorProto], changes: list[Callable[[DescriptorProto], None]]) -> None:
    for message in messages:
        for change in changes:
            change(message)
        _change(message.nested_type, changes)


def _without_redaction(message: DescriptorProto) -> None:
    for field in message.field:
        # Touching the options of a field that has none would give it some.
        if field.HasField("options"):
            field.options.ClearField("debug_redact")


def _without_collisions(message: DescriptorProto) -> None:
    taken = {f"has_{field.name}" for field in message.field}
    for field in message.field:
        if field.name in taken:
            field.name += "_"


if __name__ == "__main__":
    sys.exit(main())
