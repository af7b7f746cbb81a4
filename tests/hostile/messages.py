"""Bytes for requests: noise, messages filled at random from their descriptors, and good ones with something changed."""

import random
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.rpc.baseline import GOOD, Baseline
from tests.rpc.wire import METHODS
from tests.validate.pictures import bombs, picture

TEXTS = (
    "", "user", "\0", "a\0b", "é" * 128, "é" * 129, "x" * 257, "x" * 17_000, "\ud7ff\ue000", "\U0010ffff", "\u202e",
    "%s%n", "'; drop table interactions; --", "../../etc/passwd", "${jndi:ldap://x}", "http://[::1", "\r\nset: x",
    "00000000-0000-0000-0000-000000000000", "'" * 200, "\\", "a & b | !c <-> d:*", "{}", "null",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 7, 100, 1000, 1001, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 253_402_300_799, 1_000_000_000)
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.25, float("nan"), float("inf"), float("-inf"), 1e308, 5e-324)

_WHOLE = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-(2**31), 2**31 - 1),
}


_NOT_CARRIED_OUT = {"DeleteAllInteractions", "StartReindex"}
"""What can be read of these has consequences for others: it deletes what they look for, or loads all of PyTorch. So
they get what cannot be read. Their fields are tried in tests/rpc."""


def request_bytes(dice: random.Random, method: str, there: Baseline) -> bytes:
    """What to send to a method."""
    if method in _NOT_CARRIED_OUT:
        return b"\x07" + dice.randbytes(dice.randrange(40))
    good = GOOD[method](there) if method in GOOD else GetMessageClass(METHODS[method].input_type)()
    kind = dice.randrange(10)
    if kind == 0:
        return dice.randbytes(dice.choice((1, 2, 5, 40, 400, 5000)))
    if kind < 4:
        return filled(dice, METHODS[method].input_type).SerializeToString()
    if kind == 4:
        return good.SerializeToString() + filled(dice, METHODS[method].input_type).SerializeToString()
    if kind < 8:
        return damaged(dice, good.SerializeToString())
    return good.SerializeToString()


def damaged(dice: random.Random, data: bytes) -> bytes:
    """The same bytes with some changed, cut out, doubled or put in."""
    changed = bytearray(data)
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(changed) + 1)
        part = bytes(changed[at : at + dice.randrange(20)])
        changed[at : at + dice.randrange(4)] = dice.choice((dice.randbytes(dice.randrange(4)), part * 2, b"\xff" * 5))
    return bytes(changed)


def filled(dice: random.Random, descriptor: Descriptor, depth: int = 0) -> Any:
    """A message with some of its fields set, to what lies at the edges of what they take."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if dice.randrange(3) == 0 or depth > 12:
            continue
        if field.is_repeated:
            _fill_repeated(dice, message, field, depth)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(filled(dice, field.message_type, depth + 1))
        else:
            setattr(message, field.name, _value(dice, field))
    return message


def _fill_repeated(dice: random.Random, message: Message, field: FieldDescriptor, depth: int) -> None:
    several: Any = getattr(message, field.name)
    count = dice.choice((0, 1, 1, 2, 3, 1100 if depth == 0 and not dice.randrange(20) else 4))
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        for _ in range(count):
            key = dice.choice(TEXTS)
            if value.message_type is not None:
                several[key].CopyFrom(filled(dice, value.message_type, depth + 1))
            else:
                several[key] = _value(dice, value)
    elif field.message_type is not None:
        one = filled(dice, field.message_type, depth + 1)
        several.extend([one] * count)
    else:
        several.extend([_value(dice, field) for _ in range(count)])


def _value(dice: random.Random, field: FieldDescriptor) -> Any:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return dice.choice((b"", dice.randbytes(50), picture(), damaged(dice, picture()), *bombs().values()))
        case FieldDescriptor.CPPTYPE_STRING:
            return dice.choice(TEXTS)
        case FieldDescriptor.CPPTYPE_BOOL:
            return dice.random() < 0.5
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            return dice.choice(FLOATS)
        case kind:
            least, most = _WHOLE[kind]
            number = dice.choice((*NUMBERS, dice.randrange(-5, 30)))
            return min(max(number, least), most)
