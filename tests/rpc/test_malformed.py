"""Whatever bytes come, the answer is a status of ours: never UNKNOWN, never INTERNAL."""

import random

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from grpc import StatusCode

from tests.rpc.baseline import GOOD, NOT_THERE, Baseline, publish_baseline, snapshot
from tests.rpc.wire import FAILURES, METHODS, Caller, path_of, refused

UNKNOWN_FIELDS = b"\xa8\x7d\x07" + b"\xb2\x7d\x03abc" + b"\xb9\x7d" + bytes(8) + b"\xbd\x7d" + bytes(4)
"""Field 2005 as a number, 2006 as a text, 2007 and 2007 again as fixed numbers."""

DELETES = [name for name in METHODS if name.startswith(("Delete", "BatchDelete", "Erase")) and name not in NOT_THERE]
ANOTHER_EACH_TIME = {"Login", "CreateAccount", "CreateOrganization", "CreateCertificateIdentity", "ListAuditEvents"}
HARMLESS = [name for name in METHODS if name not in {*DELETES, *NOT_THERE, *ANOTHER_EACH_TIME}]


@pytest.mark.parametrize("data", [b"\xff", b"\x0a", b"\x0a\xff", b"\x00", b"\x07", b"\x0b", b"{}", b"\n\x05ab"])
@pytest.mark.parametrize("method", METHODS)
async def test_bytes_that_are_no_message(call: Caller, there: Baseline, method: str, data: bytes):
    before = await snapshot(call, there)
    refusal = await refused(call.send(method, data, metadata=[("x-request-id", "a call")]))
    assert (refusal.code, refusal.reason, refusal.domain) == (
        StatusCode.INVALID_ARGUMENT,
        "MALFORMED_REQUEST",
        "reflexio",
    )
    assert refusal.metadata == {"method": path_of(method)}
    assert refusal.request_id == "a call" or METHODS[method].client_streaming
    assert await snapshot(call, there) == before


TEXT_FIRST = [
    name
    for name, method in METHODS.items()
    if method.input_type.fields and method.input_type.fields[0].type == FieldDescriptor.TYPE_STRING
]


@pytest.mark.parametrize("method", TEXT_FIRST)
async def test_a_text_that_is_no_unicode(call: Caller, there: Baseline, method: str):
    data = GOOD[method](there).SerializeToString() + b"\x0a\x02\xc3\x28"
    before = await snapshot(call, there)
    assert (await refused(call.send(method, data))).reason == "MALFORMED_REQUEST"
    assert await snapshot(call, there) == before


OPTIONAL = {"ListRequests", "ExportData", "StartReindex", "ListApiKeys", "ListAuditEvents"}
REQUIRED_FIRST = [name for name in TEXT_FIRST if name not in OPTIONAL]


@pytest.mark.parametrize("method", REQUIRED_FIRST)
async def test_a_number_where_a_text_belongs_is_a_missing_text(call: Caller, there: Baseline, method: str):
    first = METHODS[method].input_type.fields[0].name
    request = GOOD[method](there)
    request.ClearField(first)
    before = await snapshot(call, there)
    refusal = await refused(call.send(method, request.SerializeToString() + b"\x08\x07"))
    assert (refusal.code, refusal.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert first in {field for field, _ in refusal.violations}
    assert await snapshot(call, there) == before


async def test_a_text_where_a_message_belongs(call: Caller, there: Baseline):
    before = await snapshot(call, there)
    refusal = await refused(call.send("SearchInteractions", b"\x0a\x01u\x1a\x05hello"))
    assert (refusal.code, refusal.reason) == (StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    assert await snapshot(call, there) == before


@pytest.mark.parametrize("method", HARMLESS)
async def test_unknown_fields_are_ignored(call: Caller, there: Baseline, method: str):
    good = GOOD[method](there)
    if method == "ImportData":
        await call(method, good)  # So that it is there already both times.
    plain, decorated = await call(method, good), await call.send(method, good.SerializeToString() + UNKNOWN_FIELDS)
    assert type(plain) is type(decorated)
    if method.startswith("List"):
        # They might be conditions of a later version, so that a token belongs to them too.
        plain.next_page_token = decorated.next_page_token = ""
    assert decorated == plain


@pytest.mark.parametrize("method", sorted(ANOTHER_EACH_TIME))
async def test_unknown_fields_are_ignored_by_what_differs_each_time(call: Caller, there: Baseline, method):
    await call.send(method, GOOD[method](there).SerializeToString() + UNKNOWN_FIELDS)


@pytest.mark.parametrize("method", NOT_THERE)
async def test_unknown_fields_are_ignored_by_what_is_refused(call: Caller, there: Baseline, method: str):
    refusal = await refused(call.send(method, GOOD[method](there).SerializeToString() + UNKNOWN_FIELDS))
    assert refusal.reason == NOT_THERE[method]


async def test_unknown_fields_of_deletes_are_ignored_too(fresh_call: Caller):
    for method in sorted(DELETES):
        there = await publish_baseline(fresh_call, "user")
        await fresh_call.send(method, GOOD[method](there).SerializeToString() + UNKNOWN_FIELDS)
        left = await fresh_call("ListInteractions", GOOD["ListInteractions"](there))
        assert len(left.interactions) == (1 if method == "DeleteInteraction" else 0)
        await fresh_call("DeleteAllInteractions", GOOD["DeleteAllInteractions"](there))


OTHER_REASONS = {
    "IMPORT_CONFLICT": StatusCode.ALREADY_EXISTS,
    "NAME_TAKEN": StatusCode.ALREADY_EXISTS,
    "NOT_FOUND": StatusCode.NOT_FOUND,
    "NO_ACCOUNT": StatusCode.FAILED_PRECONDITION,
    "LOGIN_REFUSED": StatusCode.UNAUTHENTICATED,
    "TOO_MANY_LOGINS": StatusCode.RESOURCE_EXHAUSTED,
}
"""What good requests may be refused for that come again, or name what is not there."""


def damaged(dice: random.Random, request: Message) -> bytes:
    """A request with a few bytes changed, cut out or put in."""
    data = bytearray(request.SerializeToString())
    for _ in range(dice.randrange(1, 5)):
        at = dice.randrange(len(data) + 1)
        data[at : at + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
    return bytes(data)


async def test_no_bytes_make_the_server_fail(fresh_call: Caller):
    dice = random.Random(11)
    answered, failed = 0, []
    for _ in range(60):
        there = await publish_baseline(fresh_call, "user")
        for method, good in GOOD.items():
            data = damaged(dice, good(there)) if dice.randrange(4) else dice.randbytes(dice.randrange(40))
            try:
                await fresh_call.send(method, data)
                answered += 1
            except FAILURES:
                failed.append((method, data))
    for method, data in failed:
        refusal = await refused(fresh_call.send(method, data))
        expected = OTHER_REASONS.get(refusal.reason, StatusCode.INVALID_ARGUMENT)
        assert refusal.code is expected, (method, data)
        assert refusal.reason
    assert min(answered, len(failed)) > 30, "some of it should be fine, and some not"
