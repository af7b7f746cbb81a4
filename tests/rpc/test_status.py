"""The table of statuses is complete, and says what the contract says."""

import re
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from reflexio_server.domain.errors import (
    DatabaseUnavailable,
    FieldViolation,
    IdempotencyKeyReused,
    InvalidFields,
    Reason,
)
from reflexio_server.rpc.status import STATUS_CODES, status_of

PROTO = Path(__file__).parents[2] / "proto" / "reflexio" / "v1" / "error_reason.proto"


def test_every_reason_has_a_status():
    assert set(STATUS_CODES) == set(Reason)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_the_contract_names_the_status(reason: Reason):
    comment, _, _ = PROTO.read_text().partition(f"ERROR_REASON_{reason.name} =")
    own = re.split(r"ERROR_REASON_\w+ = \d+;", comment)[-1]
    first_word = re.search(r"// (\w+)\.", own)
    assert first_word is not None
    assert first_word[1] == STATUS_CODES[reason].name
    assert f'"reason": "ERROR_REASON_{reason.name}"' in own, "with a sample"


def details(error) -> list:
    kinds = {kind.DESCRIPTOR.full_name: kind for kind in (ErrorInfo, BadRequest, RetryInfo, RequestInfo)}
    packed = status_of(error, "id").details
    return [kinds[detail.TypeName()].FromString(detail.value) for detail in packed]


def test_a_field_error_carries_the_fields():
    error = InvalidFields([FieldViolation("a", "rule.a", "is bad"), FieldViolation("b", "rule.b", "is worse")])
    info, bad, request = details(error)
    assert (info.reason, info.domain) == ("ERROR_REASON_INVALID_FIELD", "reflexio")
    assert dict(info.metadata) == {"field": "a", "rule": "rule.a"}
    violations = [(violation.field, violation.reason, violation.description) for violation in bad.field_violations]
    assert violations == [("a", "rule.a", "is bad"), ("b", "rule.b", "is worse")]
    assert request.request_id == "id"


def test_what_may_be_repeated_says_when():
    info, retry, _ = details(DatabaseUnavailable())
    assert info.reason == "ERROR_REASON_DATABASE_UNAVAILABLE"
    assert retry.retry_delay.ToTimedelta().total_seconds() == DatabaseUnavailable.retry_after


def test_a_status_carries_code_and_sentence():
    status = status_of(IdempotencyKeyReused("k"), "id")
    assert status.code == grpc.StatusCode.ALREADY_EXISTS.value[0]
    assert "'k'" in status.message


def test_the_longest_status_fits_in_a_header():
    path = "interactions[999].tools_used[255].tool_data.and_something_long_behind_it"
    violations = [FieldViolation(path, "string.not_contains", "must not contain a NUL character" * 2)] * 5000
    assert len(status_of(InvalidFields(violations), "x" * 128).SerializeToString()) * 4 / 3 < 7000


@pytest.mark.parametrize("letter", ["x", "é", "🙂"])
def test_a_status_that_repeats_a_long_name_fits_into_what_clients_accept(letter: str):
    error = IdempotencyKeyReused(letter * 5000)
    status = status_of(error, "r" * 128)
    in_headers = 3 * len(status.message.encode()) + len(status.SerializeToString()) * 4 // 3
    assert in_headers < 7000
    told = status.message
    assert told.startswith("idempotency key")
    assert told.endswith("…")
    assert details(error)[0].metadata["idempotency_key"].startswith(letter * 100)
