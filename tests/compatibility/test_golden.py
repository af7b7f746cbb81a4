"""Whatever the contract becomes, bytes of its first release mean what they meant."""

import pytest
from google.protobuf.descriptor_pool import Default
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass

from tests.compatibility.golden import RELEASED, meaning, message_of, names, not_covered, wire
from tests.compatibility.samples import PACKAGE, contract, messages_of
from tests.rpc.wire import METHODS

assert METHODS, "the import brings the stubs of every message"


def _stub(name):
    return GetMessageClass(Default().FindMessageTypeByName(f"{PACKAGE}.{message_of(name)}"))


@pytest.mark.parametrize("name", names())
def test_the_stubs_of_today_read_it(name):
    message = _stub(name).FromString(wire(name))
    assert MessageToDict(message) == meaning(name)
    assert message.SerializeToString(deterministic=True) == wire(name)
    assert ParseDict(meaning(name), _stub(name)()) == message


def test_every_field_of_every_message_of_the_release_is_in_a_golden_file():
    released = messages_of(RELEASED, contract(RELEASED))
    assert len(released) >= 34
    missing = {described.name: fields for described in released if (fields := not_covered(described))}
    assert missing == {}, "run `python -m tests.compatibility`"
