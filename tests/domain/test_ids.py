"""Ids of requests are made here and read from what callers write."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reflexio_server.domain.ids import NO_REQUEST, new_request_id, request_id_from


@given(st.uuids())
def test_an_id_survives_being_written_out(value: UUID):
    assert request_id_from(str(value)) == value
    assert request_id_from(str(value).upper()) == value


@pytest.mark.parametrize(
    "text", ["", "r-1", "not a uuid", "0" * 31, "0" * 33, "g" * 32, "ü" * 32, "\n", "'; drop table"]
)
def test_a_text_that_is_no_id_stands_for_no_request(text: str):
    assert request_id_from(text) == NO_REQUEST


@given(st.text())
def test_no_text_is_too_strange_to_be_looked_up(text: str):
    assert isinstance(request_id_from(text), UUID)


def test_new_ids_differ_and_never_mean_no_request():
    made = {new_request_id() for _ in range(1000)}
    assert len(made) == 1000
    assert NO_REQUEST not in made
