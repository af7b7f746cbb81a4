"""The rules that the contract itself states, enforced with protovalidate.

The contract with its rules is loaded into a pool of its own: the stubs that clients share know nothing of
`buf.validate`, and two copies of it in one process would not get along.
"""

import re
from functools import cache
from importlib.resources import files
from typing import Any

import protovalidate
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from reflexio_server.domain.errors import FieldViolation, InvalidFields, MalformedRequest

_LISTED_BYTES = 65_536
"""Of a larger request only the first violation is reported: listing a hundred thousand would hold up others."""


class Contract:
    """Checks requests as they came over the wire."""

    def __init__(self) -> None:
        self._pool = DescriptorPool()
        image = FileDescriptorSet.FromString(files(__package__).joinpath("contract.binpb").read_bytes())
        for file in image.file:
            self._pool.AddSerializedFile(file.SerializeToString())
        self._request_class = cache(self._find_request_class)

    def check(self, method: str, request: bytes) -> None:
        """Check the bytes of a request.

        Args:
            method: Such as `/reflexio.v1.InteractionService/PublishInteractions`.
            request: The bytes as they came.

        Raises:
            MalformedRequest: They are no message of the method's type.
            InvalidFields: Fields break rules.
        """
        try:
            message = self._request_class(method).FromString(request)
        except DecodeError:
            raise MalformedRequest(method) from None
        try:
            protovalidate.validate(message, fail_fast=len(request) > _LISTED_BYTES)
        except protovalidate.ValidationError as error:
            raise InvalidFields([_violation(found.proto) for found in error.violations]) from None

    def _find_request_class(self, method: str) -> type[Message]:
        _, service, name = method.split("/")
        return GetMessageClass(self._pool.FindServiceByName(service).methods_by_name[name].input_type)


def _violation(found: Any) -> FieldViolation:
    path = ""
    for element in found.field.elements:
        path += f".{element.field_name}" if path else element.field_name
        if element.subscript is not None:
            path += f"[{element.subscript.value}]"
    rule = found.rule_id
    description = _DESCRIPTIONS.get(rule, str(found.message))
    for said, meant in _WORDS:
        description = said.sub(meant, description)
    return FieldViolation(path, rule, description)


_DESCRIPTIONS = {"string.not_contains": "must not contain a NUL character"}
"""Where the general words of a rule do not show what is meant: the character cannot be seen."""

_WORDS = [
    (re.compile(said), meant)
    for said, meant in (
        (r"^must (be|contain) at least 1 (characters|item\(s\))$", "must not be empty"),
        (r"^must contain no more than (\d+) item\(s\)$", r"must have at most \1 items"),
        (r"^must be greater than or equal to (\S+) and less than or equal to (\S+)$", r"must be from \1 to \2"),
        (r"^must be greater than or equal to (\S+)$", r"must be at least \1"),
    )
]
"""What protovalidate says, and how a person would."""
