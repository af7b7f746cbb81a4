"""Page tokens come back as they were given, belong to one query, and cannot be anything else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reflexio_server.domain.errors import InvalidPageToken
from reflexio_server.domain.ids import InteractionId, RequestId
from reflexio_server.search import page_token

READERS = [page_token.interaction_position, page_token.request_position]
MOMENTS = st.integers(-(2**63), 2**63 - 1)


@given(MOMENTS, st.integers(1, 2**63 - 1), st.binary())
def test_a_place_among_interactions_comes_back(moment: int, interaction_id: int, query: bytes):
    position = (moment, InteractionId(interaction_id))
    token = page_token.token_behind(position, query)
    assert page_token.interaction_position(token, query) == position


@given(MOMENTS, st.uuids(), st.binary())
def test_a_place_among_requests_comes_back(moment: int, request_id: RequestId, query: bytes):
    token = page_token.token_behind((moment, request_id), query)
    assert page_token.request_position(token, query) == (moment, request_id)


@pytest.mark.parametrize("read", READERS)
def test_no_token_is_the_beginning(read):
    assert read("", b"query") is None


@pytest.mark.parametrize("read", READERS)
def test_a_token_of_another_query_is_refused(read):
    token = page_token.token_behind((1, InteractionId(1)), b"query")
    with pytest.raises(InvalidPageToken) as refused:
        read(token, b"another query")
    assert refused.value.violations[0].field == "page_token"
    assert refused.value.violations[0].rule == "page_token.other_query"


@given(st.text(min_size=1))
def test_whatever_is_no_token_of_ours_is_refused(text: str):
    for read in READERS:
        with pytest.raises(InvalidPageToken):
            read(text, b"query")


@pytest.mark.parametrize("position", range(44))
def test_a_token_that_was_changed_is_refused_or_names_a_place(position: int):
    token = page_token.token_behind((1, InteractionId(1)), b"query")
    for replacement in "Az9_-":
        changed = token[:position] + replacement + token[position + 1 :]
        try:
            found = page_token.interaction_position(changed, b"query")
        except InvalidPageToken:
            continue
        assert found is not None
        assert -(2**63) <= found[0] < 2**63
        assert 0 <= found[1] < 2**63, "no such id can be looked up"


def test_a_token_of_another_version_of_ours_is_refused():
    raw = base64.urlsafe_b64decode(page_token.token_behind((1, InteractionId(1)), b"query") + "==")
    other = base64.urlsafe_b64encode(bytes([raw[0] + 1]) + raw[1:]).decode().rstrip("=")
    with pytest.raises(InvalidPageToken):
        page_token.interaction_position(other, b"query")


def test_tokens_can_stand_in_a_url():
    token = page_token.token_behind((2**62, InteractionId(2**62 - 1)), b"\xff" * 8)
    assert token.replace("-", "").replace("_", "").isalnum()
    assert token.isascii()
