"""Runs Debian's protoc for buf, with the one option taken away that it is too old for: a `protoc_path` of buf.

`debug_redact` is younger than protobuf 3.21. Its Java generator takes the option for a custom one whose definition is
missing, and aborts. Debian's runtimes would do nothing with it: whoever prints a message of theirs prints its secrets.
"""

import subprocess
import sys

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet

_PROTOC = "/usr/bin/protoc"


def main() -> int:
    """Pass on what buf asks for. Returns protoc's exit status."""
    reads_image = any(argument.startswith("--descriptor_set_in=") for argument in sys.argv)
    image = _without_redaction(sys.stdin.buffer.read()) if reads_image else None
    return subprocess.run([_PROTOC, *sys.argv[1:]], input=image, check=False).returncode


def _without_redaction(image: bytes) -> bytes:
    files = FileDescriptorSet.FromString(image)
    for file in files.file:
        for message in file.message_type:
            _strip(message)
    return files.SerializeToString()


def _strip(message: DescriptorProto) -> None:
    for field in message.field:
        if field.options.debug_redact:
            field.options.ClearField("debug_redact")
    for nested in message.nested_type:
        _strip(nested)


if __name__ == "__main__":
    sys.exit(main())
