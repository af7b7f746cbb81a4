"""Bad input gets a clear error that names the field and the rule, and changes nothing."""

import pytest
from google.protobuf.descriptor import FieldDescriptor
from grpc import StatusCode

from tests.rpc.baseline import GOOD, NOT_THERE, Baseline, changed, snapshot
from tests.rpc.cases import CASES, Case
from tests.rpc.text_fields import MOST_BYTES, TEXT_FIELDS, TextField, leaves
from tests.rpc.wire import METHODS, Caller, refused


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_refused(call: Caller, there: Baseline, case: Case):
    request = changed(GOOD[case.method](there), dict(case.fields))
    if case.text is not None:
        field, text = case.text
        request = field.put(request, text)
    before = await snapshot(call, there)
    refusal = await refused(call(case.method, request, metadata=[("x-request-id", "id-of-the-call")], timeout=10))
    assert refusal.code is StatusCode.INVALID_ARGUMENT
    assert (refusal.reason, refusal.domain) == (case.reason, "reflexio")
    assert (case.at, case.rule) in refusal.violations
    assert all(refusal.descriptions)
    assert refusal.metadata == {"field": refusal.violations[0][0], "rule": refusal.violations[0][1]}
    assert refusal.request_id == "id-of-the-call" or METHODS[case.method].client_streaming
    assert refusal.retry_seconds is None
    assert refusal.message.startswith(refusal.violations[0][0])
    assert await snapshot(call, there) == before


def test_every_rpc_has_a_good_request_and_one_for_each_error():
    assert set(GOOD) == set(METHODS)
    with_fields = {name for name, method in METHODS.items() if method.input_type.fields}
    assert {case.method for case in CASES} == with_fields


ANYTHING_GOES = {FieldDescriptor.TYPE_BOOL}


@pytest.mark.parametrize("method", METHODS)
def test_every_field_that_can_be_wrong_is_tried(method: str):
    tried = {case.at.replace("[0]", "").replace("[1]", "") for case in CASES if case.method == method}
    fields = [steps for steps in leaves(METHODS[method].input_type) if steps[-1].type not in ANYTHING_GOES]
    assert {".".join(step.name for step in steps) for steps in fields} <= tried


@pytest.mark.parametrize("field", TEXT_FIELDS, ids=lambda field: f"{field.method}: {field.path}")
async def test_a_text_may_have_as_many_bytes_as_the_contract_says(call: Caller, there: Baseline, field: TextField):
    most = MOST_BYTES[field.name]
    # Else one method would come with the idempotency key of the other.
    letter = "ü" if METHODS[field.method].client_streaming else "é"
    # Else what one method makes would be found by the other.
    own = field.method if METHODS[field.method].containing_service.name == "AccessService" else ""
    text = (own[: len(own) // 2 * 2] + letter * most).encode()[:most].decode()
    if field.name == "interacted_image_url":
        text = "http://host/".ljust(most, "x")
    elif field.name == "uri":
        text = f"spiffe://{own}/".ljust(most, "x")
    elif field.name.endswith("email"):
        text = f"{own}@example.com".rjust(most, "x")
    request = field.put(GOOD[field.method](there), text)
    if field.name == "page_token":
        assert (await refused(call(field.method, request))).reason == "INVALID_PAGE_TOKEN"
    elif field.name == "embedding_model":
        assert (await refused(call(field.method, request))).reason == "MODEL_UNAVAILABLE"
    elif field.method in NOT_THERE:
        assert (await refused(call(field.method, request))).reason == NOT_THERE[field.method]
    elif (field.method, field.name) == ("CreateCertificateIdentity", "organization_name"):
        assert (await refused(call(field.method, request))).reason == "NOT_FOUND"
    else:
        await call(field.method, request)


async def test_all_that_is_wrong_is_named_at_once(call: Caller, there: Baseline):
    request = changed(GOOD["SearchInteractions"](there), {"user_id": "", "top_k": 0, "filter": {"most_recent_k": 0}})
    refusal = await refused(call("SearchInteractions", request))
    assert set(refusal.violations) == {
        ("user_id", "string.min_len"),
        ("top_k", "int32.gte_lte"),
        ("filter.most_recent_k", "int32.gte"),
    }


async def test_more_violations_than_fit_in_a_header_are_cut_and_counted(call: Caller, there: Baseline):
    bad = {"role": "\0", "content": "\0", "tools_used": [{"tool_name": "\0"}]}
    request = changed(GOOD["PublishInteractions"](there), {"interactions": [bad] * 1000})
    before = await snapshot(call, there)
    refusal = await refused(call("PublishInteractions", request))
    assert (refusal.code, refusal.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert 1 < len(refusal.violations) < 100
    assert "(and 2998 more)" in refusal.message
    assert await snapshot(call, there) == before
