"""A call as a value: what to send where, and how to read what comes back."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from reflexio._channel import TimeoutClass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a service."""

    service: str
    """Full name, `reflexio.v1.ServerService`."""
    name: str
    request_type: type[Message]
    response_type: type[Message]
    streams_requests: bool = False
    """Whether it takes many of them. gRPC is to repeat no such call (`service_config.json`): it may leave messages out,
    and the client knows what was not answered."""

    @property
    def path(self) -> str:
        """What gRPC calls the method by."""
        return f"/{self.service}/{self.name}"


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and the way from its answer to a `T`."""

    method: Method
    request: Message
    read: "Callable[[Any], T | Call[T]]"
    """Makes of the answer what the user gets, or the next call where the answer was only a part of it."""
    timeout_class: TimeoutClass = TimeoutClass.USUAL
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Fields of the request whose argument has another name in Python: field → argument."""
    repeatable: bool = True
    """Whether it may be made again when nobody knows whether it was carried out."""

    def argument_name(self, path: str) -> str:
        """The name under which a Python user knows a field of the request: `filter.end_time` is `end_time`."""
        path = re.sub(r"^filter\.", "", path)
        path = re.sub(r"^(interactions\[\d+\])\.image$", r"\1.image_encoding", path)
        head = re.match(r"\w*", path)
        name = head.group() if head else ""
        return self.renamed.get(name, name) + path[len(name) :]
