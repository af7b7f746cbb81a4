"""Calls that somebody makes who knows the methods and nothing else, and what they may be answered."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode
from reflexio_server.access.keys import new_key

from tests.hostile.messages import request_bytes
from tests.rpc.baseline import Baseline
from tests.rpc.wire import METHODS, Refusal, RefusedInStream, path_of, refusal_in_stream, refusal_of

ALLOWED = {
    StatusCode.INVALID_ARGUMENT,
    StatusCode.ALREADY_EXISTS,
    StatusCode.FAILED_PRECONDITION,
    StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.CANCELLED,
    StatusCode.UNIMPLEMENTED,
    StatusCode.NOT_FOUND,
    StatusCode.UNAUTHENTICATED,
    StatusCode.PERMISSION_DENIED,
}
"""What the contract and gRPC's own conventions say may come of a bad call to a server that is well."""

WITHOUT_REASON = {
    StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.CANCELLED,
    StatusCode.UNIMPLEMENTED,
    StatusCode.NOT_FOUND,
}
"""What gRPC itself answers."""

_BY_OUR_OWN_LIBRARY = (StatusCode.INTERNAL, "Internal error from Core")
"""What grpc.aio says by itself when it was about to write to a stream that the server had ended."""

_OTHERS = (
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/reflexio.v1.InteractionService/NoSuchMethod",
    "/reflexio.v9.Nothing/X",
    "/",
    "/a/b/c",
    "/" + "x" * 1000 + "/y",
)


class Outcomes:
    """How calls ended, and those that should not have ended so."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def note(self, what: str, refusal: Refusal | None) -> None:
        """Take down how a call ended; None is an answer."""
        if refusal is not None and (refusal.code, refusal.message) == _BY_OUR_OWN_LIBRARY:
            return
        code = refusal.code if refusal is not None else StatusCode.OK
        self.counts[code.name] += 1
        if refusal is None:
            return
        allowed = code in ALLOWED and (refusal.reason or code in WITHOUT_REASON)
        # A message says that it stands at another place of its stream than it does.
        is_missing = refusal.reason == "NOT_READY" and "place" in refusal.metadata
        if not allowed and not is_missing:
            self.wrong.append(f"{code.name} {refusal.reason} {refusal.message[:300]}: {what}")


async def call_at_random(
    channel: grpc.aio.Channel,
    dice: random.Random,
    there: Baseline,
    outcomes: Outcomes,
    enough: asyncio.Event,
    keys: Sequence[str] = (),
) -> None:
    """Make one call after the other; with one of the keys, a bad one or none, where there are any."""
    while not enough.is_set():
        if not dice.randrange(12):
            await _call_something_else(channel, dice, outcomes)
            continue
        method = dice.choice(list(METHODS))
        descriptor = METHODS[method]
        requests = [request_bytes(dice, method, there) for _ in range(1 + 3 * descriptor.client_streaming)]
        kind = ("stream" if descriptor.client_streaming else "unary") + (
            "_stream" if descriptor.server_streaming else "_unary"
        )
        rpc = getattr(channel, kind)(path_of(method))
        options: dict[str, Any] = {
            "metadata": [*_metadata(dice), *_key(dice, keys)],
            "timeout": dice.choice((30, 30, 30, 0.05, 0.001)),
        }
        sent = requests if descriptor.client_streaming else requests[0]
        outcomes.note(f"{method} {requests!r}"[:400], await _outcome(rpc, sent, descriptor, options, dice))


async def _outcome(
    rpc: Any, sent: Any, descriptor: Any, options: dict[str, Any], dice: random.Random
) -> Refusal | None:
    call = rpc(sent, **options)
    gives_up = not dice.randrange(15)
    try:
        if gives_up:
            await asyncio.sleep(dice.random() * 0.02)
            call.cancel()
        if descriptor.server_streaming:
            async for message in call:
                _look_for_refusal(message, descriptor)
        else:
            await call
    except asyncio.CancelledError:
        if not gives_up:
            raise
        return Refusal(StatusCode.CANCELLED, "")
    except grpc.aio.AioRpcError as error:
        return refusal_of(error)
    except RefusedInStream as error:
        return refusal_in_stream(error.refusal)
    return None


def _look_for_refusal(message: bytes, descriptor: Any) -> None:
    read = GetMessageClass(descriptor.output_type).FromString(message)
    if hasattr(read, "refusal") and read.HasField("refusal"):
        raise RefusedInStream(read.refusal)


async def _call_something_else(channel: grpc.aio.Channel, dice: random.Random, outcomes: Outcomes) -> None:
    path = dice.choice(_OTHERS)
    data = dice.randbytes(dice.randrange(30)) if "Health" not in path else dice.choice((b"", b"\n\x01x"))
    try:
        async with asyncio.timeout(30):
            if "Reflection" in path:
                async for _ in channel.stream_stream(path)([dice.choice((b"\x3a\x00", b"\x1a\x01x", b""))]):
                    pass
            else:
                await channel.unary_unary(path)(data, timeout=30)
    except grpc.aio.AioRpcError as error:
        outcomes.note(f"{path} {data!r}"[:300], refusal_of(error))
    else:
        outcomes.note(path, None)


def _key(dice: random.Random, keys: Sequence[str]) -> list[tuple[str, str]]:
    if not keys or not dice.randrange(12):
        return []
    good = dice.choice(keys)
    key = dice.choice((*[good] * 16, new_key(), good[:-1], good.upper(), "rflx-"))
    return [("authorization", f"Bearer {key}")]


def _metadata(dice: random.Random) -> list[tuple[str, str | bytes]]:
    found: list[tuple[str, str | bytes]] = []
    for _ in range(dice.randrange(4)):
        name = dice.choice(("x-request-id", "authorization", "traceparent", "x-any", "grpc-tags-bin", "user-id-bin"))
        text = "".join(chr(dice.randrange(32, 127)) for _ in range(dice.choice((0, 1, 20, 55, 300))))
        found.append((name, dice.randbytes(dice.randrange(60)) if name.endswith("-bin") else text))
    return found
