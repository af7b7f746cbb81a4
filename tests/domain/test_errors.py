"""Errors carry what a caller branches on, and the contract and the server agree on what there is."""

import inspect

import pytest
from reflexio.v1.error_reason_pb2 import ErrorReason
from reflexio_server.domain import errors, identity_errors
from reflexio_server.domain.errors import FieldViolation, InvalidFields, InvalidImage, Reason, ReflexioError

MODULES = (errors, identity_errors)
CLASSES = [
    found
    for module in MODULES
    for _, found in inspect.getmembers(module, inspect.isclass)
    if issubclass(found, ReflexioError) and found is not ReflexioError
]


def test_reasons_are_those_of_the_contract():
    of_contract = {name.removeprefix("ERROR_REASON_") for name, _ in ErrorReason.items()} - {"UNSPECIFIED"}
    assert {reason.name for reason in Reason} == of_contract


def test_each_reason_belongs_to_one_class():
    reasons = [found.reason for found in CLASSES]
    assert sorted(reason.name for reason in reasons) == sorted(reason.name for reason in Reason)


def test_each_module_draws_the_tree_of_its_classes():
    drawn = {module.__name__: module.__doc__ or "" for module in MODULES}
    assert [found.__name__ for found in CLASSES if found.__name__ not in drawn[found.__module__]] == []


def test_an_error_of_one_field_names_it_and_its_rule():
    error = InvalidFields.one("top_k", "int32.gte", "must be at least 1")
    assert error.violations == (FieldViolation("top_k", "int32.gte", "must be at least 1"),)
    assert error.metadata == {"field": "top_k", "rule": "int32.gte"}
    assert str(error) == "top_k: must be at least 1"


def test_an_error_of_several_fields_names_two_and_says_how_many_more():
    both = [FieldViolation("", "rule", "is wrong"), FieldViolation("second", "rule", "is odd")]
    assert str(InvalidFields(both)) == "request: is wrong; second: is odd"
    error = InvalidFields([FieldViolation(name, "rule", "is wrong") for name in ("first", "second", "third")])
    assert str(error) == "first: is wrong; second: is wrong (and 1 more)"
    assert [violation.field for violation in error.violations] == ["first", "second", "third"]


def test_an_error_of_a_whole_message_speaks_of_the_request():
    assert str(InvalidFields.one("", "message.cel", "is empty")) == "request: is empty"


def test_one_makes_the_class_it_is_called_on():
    error = InvalidImage.one("image", "image.format", "is no picture")
    assert isinstance(error, InvalidImage)
    assert error.reason is Reason.INVALID_IMAGE


@pytest.mark.parametrize("found", CLASSES, ids=lambda found: found.__name__)
def test_only_what_passes_by_itself_is_worth_repeating(found: type[ReflexioError]):
    passing = {
        Reason.NOT_READY,
        Reason.DATABASE_UNAVAILABLE,
        Reason.STORAGE_FULL,
        Reason.TOO_MANY_CALLS,
        Reason.BACKLOG_FULL,
        Reason.RATE_LIMITED,
        Reason.STREAM_IDLE,
        Reason.TOO_MANY_LOGINS,
    }
    assert (found.retry_after is not None) == (found.reason in passing)
