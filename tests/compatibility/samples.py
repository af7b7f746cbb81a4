"""A message of every type of a contract with a value in every field: what golden files are made of."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

PACKAGE = "reflexio.v1"
_JSON = {
    "google.protobuf.Timestamp": {"seconds": -2_208_988_800, "nanos": 123_456_789},
    "google.protobuf.Duration": {"seconds": 3_155_760_000, "nanos": 5},
}
_SCALARS: dict[int, Any] = {
    FieldDescriptor.TYPE_BOOL: True,
    FieldDescriptor.TYPE_BYTES: b"\x00\x89PNG\xff",
    FieldDescriptor.TYPE_DOUBLE: -0.1,
    FieldDescriptor.TYPE_INT32: -(2**31),
    FieldDescriptor.TYPE_INT64: 2**63 - 1,
}


def contract(path: Path) -> DescriptorPool:
    """The contract in a file that `buf build` made, in a pool of its own."""
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(path.read_bytes()).file:
        pool.Add(file)  # type: ignore[no-untyped-call]
    return pool


def messages_of(path: Path, pool: DescriptorPool) -> list[Descriptor]:
    """Every message of ours in it, by name."""
    files = FileDescriptorSet.FromString(path.read_bytes()).file
    names = [f"{PACKAGE}.{message.name}" for file in files if file.package == PACKAGE for message in file.message_type]
    return [pool.FindMessageTypeByName(name) for name in sorted(names)]


def samples(described: Descriptor) -> Iterator[tuple[str, Message]]:
    """The message with all fields, once for each member of its oneof where it has one, and a name for each."""
    choices = [oneof for oneof in described.oneofs if not _is_optional(oneof)]
    members = [member for oneof in choices for member in oneof.fields]
    for member in members or [None]:
        left_out = {other.name for other in members if other is not member}
        name = described.name if member is None else f"{described.name}.{member.name}"
        yield name, _sample(described, left_out)


def _is_optional(oneof: OneofDescriptor) -> bool:
    return len(oneof.fields) == 1 and oneof.name == f"_{oneof.fields[0].name}"


def _sample(described: Descriptor, left_out: set[str]) -> Message:
    message = GetMessageClass(described)()
    for field in described.fields:
        if field.name in left_out:
            continue
        value = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value.update({"key": "value", "": "ü🤝"})
        elif field.is_repeated:
            value.extend([_value(field), _value(field)])
        elif field.message_type is not None:
            value.CopyFrom(_value(field))
        else:
            setattr(message, field.name, _value(field))
    return message


def _value(field: FieldDescriptor) -> Any:
    if field.message_type is None:
        if field.type == FieldDescriptor.TYPE_ENUM:
            return field.enum_type.values[-1].number
        return f"{field.name} ü🤝" if field.type == FieldDescriptor.TYPE_STRING else _SCALARS[field.type]
    name = field.message_type.full_name
    if name == "google.protobuf.Struct":
        struct = GetMessageClass(field.message_type)()
        struct.update({"text": "ü", "list": [1.5, True, None], "object": {"": "empty"}})
        return struct
    if name in _JSON:
        return GetMessageClass(field.message_type)(**_JSON[name])
    return next(message for _, message in samples(field.message_type))
