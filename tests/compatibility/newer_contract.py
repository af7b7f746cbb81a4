"""A contract that has grown: fields in every message, values in every enum, members in every oneof."""

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from tests.rpc.wire import METHODS

LATER = 20_001
"""The number of what was added: far beyond those that the contract has."""


def newer_contract() -> DescriptorPool:
    """The contract of the stubs, grown, in a pool of its own."""
    pool = DescriptorPool()
    added: set[str] = set()
    for method in METHODS.values():
        _add(method.containing_service.file, pool, added)
    return pool


def fill(message: Message) -> Message:
    """Set what was added, in a message and in all that it holds."""
    for field, value in message.ListFields():
        if field.message_type is None or not field.message_type.full_name.startswith("reflexio."):
            continue
        if field.message_type.GetOptions().map_entry:
            continue
        for one in value if field.is_repeated else [value]:
            fill(one)
    if "from_later" in message.DESCRIPTOR.fields_by_name:
        message.from_later = "unknown ü🤝"  # type: ignore[attr-defined]
        message.from_later_numbers.extend([0, -1, 2**63 - 1])  # type: ignore[attr-defined]
        message.from_later_parts.add(from_later="nested")  # type: ignore[attr-defined]
    return message


def _add(file: FileDescriptor, pool: DescriptorPool, added: set[str]) -> None:
    if file.name in added:
        return
    added.add(file.name)
    for dependency in file.dependencies:
        _add(dependency, pool, added)
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    if file.package == "reflexio.v1":
        for message in proto.message_type:
            _grow_message(message)
        for enum in proto.enum_type:
            _grow_enum(enum)
    pool.Add(proto)  # type: ignore[no-untyped-call]


def _grow_message(message: DescriptorProto) -> None:
    field = FieldDescriptorProto
    optional, repeated = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    itself = f".reflexio.v1.{message.name}"
    for index, oneof in enumerate(message.oneof_decl):
        if not oneof.name.startswith("_"):
            name = f"{oneof.name}_from_later"
            message.field.add(
                name=name, number=LATER + 10 + index, label=optional, type=field.TYPE_STRING, oneof_index=index
            )
    message.field.add(name="from_later", number=LATER, label=optional, type=field.TYPE_STRING)
    message.field.add(name="from_later_numbers", number=LATER + 1, label=repeated, type=field.TYPE_INT64)
    parts = message.field.add(name="from_later_parts", number=LATER + 2, label=repeated, type=field.TYPE_MESSAGE)
    parts.type_name = itself


def _grow_enum(enum: EnumDescriptorProto) -> None:
    prefix = enum.value[0].name.removesuffix("_UNSPECIFIED")
    enum.value.add(name=f"{prefix}_FROM_LATER", number=LATER)
