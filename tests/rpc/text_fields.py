"""Every text field of every request, found by walking the descriptors, so that none is forgotten."""

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from tests.rpc.wire import METHODS


@dataclass(frozen=True)
class TextField:
    """A text field of a request, at its place in messages and lists."""

    method: str
    steps: tuple[FieldDescriptor, ...]

    @property
    def name(self) -> str:
        """What it is called in its own message."""
        return self.steps[-1].name

    @property
    def path(self) -> str:
        """What a violation calls it when it stands in the first elements of lists."""
        return ".".join(step.name + ("[0]" if step.is_repeated else "") for step in self.steps)

    def put(self, request: Message, text: str) -> Message:
        """A copy of `request` with the field set to `text`."""
        copy = type(request)()
        copy.CopyFrom(request)
        target = copy
        for step in self.steps[:-1]:
            inner = getattr(target, step.name)
            target = (inner[0] if len(inner) else inner.add()) if step.is_repeated else inner
        last = self.steps[-1]
        if last.is_repeated:
            getattr(target, last.name)[:] = [text]
        else:
            setattr(target, last.name, text)
        return copy


def leaves(message: Descriptor, before: tuple[FieldDescriptor, ...] = ()) -> Iterator[tuple[FieldDescriptor, ...]]:
    """The ways to all fields of a message that have no fields of ours inside."""
    for field in message.fields:
        steps = (*before, field)
        if field.message_type is not None and field.message_type.full_name.startswith("reflexio."):
            yield from leaves(field.message_type, steps)
        else:
            yield steps


TEXT_FIELDS = [
    TextField(name, steps)
    for name, method in METHODS.items()
    for steps in leaves(method.input_type)
    # An id that is imported is a UUID, and nothing that may be so long.
    if steps[-1].type == FieldDescriptor.TYPE_STRING and (name, steps[-1].name) != ("ImportData", "request_id")
]

MOST_BYTES = {
    "user_id": 256,
    "session_id": 256,
    "request_id": 256,
    "request_ids": 256,
    "role": 256,
    "source": 256,
    "agent_version": 256,
    "tool_name": 256,
    "image_media_type": 256,
    "idempotency_key": 128,
    "page_token": 1024,
    "query": 16_384,
    "embedding_model": 4096,
    "interacted_image_url": 8192,
    **dict.fromkeys(("email", "admin_email", "account_email"), 254),
    **dict.fromkeys(("password", "current_password", "new_password", "admin_password"), 1024),
    "name": 128,
    "organization_name": 128,
    "uri": 2048,
    "action": 64,
    "content": 262_144,
    "shadow_content": 262_144,
    "expert_content": 262_144,
    "user_action_description": 262_144,
}
"""How long each text may be, as the contract says."""
