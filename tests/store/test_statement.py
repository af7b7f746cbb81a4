"""Named parameters become numbered ones."""

import pytest
from reflexio_server.store.database import Database
from reflexio_server.store.statement import Statement

_TYPES = {"n": "bigint", "names": "text[]", "unused": "bytea"}


def test_each_parameter_has_one_number_and_its_type():
    statement = Statement("select :n, :names, :n::text where :n > 0", _TYPES)
    assert statement.sql == "select $1::bigint, $2::text[], $1::bigint::text where $1::bigint > 0"
    assert statement.arguments({"names": ["a"], "n": 1, "more": 2}) == (1, ["a"])


def test_a_parameter_without_a_type_or_a_value():
    with pytest.raises(KeyError, match="other"):
        Statement("select :other", _TYPES)
    with pytest.raises(KeyError, match="names"):
        Statement("select :n, :names", _TYPES).arguments({"n": 1})


async def test_postgres_takes_it(database: Database):
    statement = Statement("select :n, cardinality(:names), '{}'::jsonb::text", _TYPES)
    async with database.direct(None) as connection:
        assert list(await connection.fetchrow(statement.sql, *statement.arguments({"n": 7, "names": ["a", ""]}))) == [
            7,
            2,
            "{}",
        ]
