"""`python -m tests.compatibility.rewritten FOLDER`: golden files that another language wrote again mean the same."""

import sys
from pathlib import Path

from google.protobuf.descriptor_pool import Default
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass

from tests.compatibility.golden import meaning, message_of, names
from tests.compatibility.samples import PACKAGE
from tests.rpc.wire import METHODS

assert METHODS, "the import brings the stubs of every message"


def main() -> int:
    """Compare all. Returns 1 where one differs."""
    folder = Path(sys.argv[1])
    for name in names():
        stub = GetMessageClass(Default().FindMessageTypeByName(f"{PACKAGE}.{message_of(name)}"))
        found = MessageToDict(stub.FromString((folder / f"{name}.binpb").read_bytes()))
        if found != meaning(name):
            print(f"{name} was written as {found}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
