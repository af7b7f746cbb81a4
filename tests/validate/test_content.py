"""What an operator bounds more tightly than the contract."""

import pytest
from reflexio_server.domain.errors import InvalidFields
from reflexio_server.validate.content import MOST_TOOL_BYTES, ContentRules
from reflexio_server.validate.images import ImageRules

RULES = ContentRules(ImageRules(1, 1), most_interactions=3, most_query_bytes=8)


def broken(rule, *values) -> str:
    with pytest.raises(InvalidFields) as refused:
        rule("field", *values)
    [violation] = refused.value.violations
    assert violation.field == "field"
    return violation.rule


def test_tools_may_be_so_large_and_no_larger():
    RULES.tools_size("field", MOST_TOOL_BYTES)
    assert broken(RULES.tools_size, MOST_TOOL_BYTES + 1) == "tools_used.max_bytes"


def test_a_publish_may_have_so_many_interactions():
    RULES.interactions("field", 3)
    assert broken(RULES.interactions, 4) == "repeated.max_items"


def test_a_query_is_measured_in_bytes():
    assert RULES.query("field", "é" * 4) == "é" * 4
    assert broken(RULES.query, "é" * 4 + "x") == "string.max_bytes"
