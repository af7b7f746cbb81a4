"""What statements are called: few names, all from the schema."""

import pytest
from reflexio_server.store.statement_telemetry import kind_of


@pytest.mark.parametrize(
    ("statement", "kind", "table"),
    [
        ("select 1", "select", ""),
        ("SELECT x FROM interactions i JOIN images USING (org_id)", "select", "interactions"),
        ("insert into requests (org_id) values ($1) on conflict do update set x = 1", "insert", "requests"),
        (
            "with free as (select 1 from embedding_queue for update skip locked) update vectors v set x = 1",
            "update",
            "vectors",
        ),
        ("delete from images where org_id = 5 and content = 'update requests set'", "delete", "images"),
        ("select * from secrets_of_a_user", "select", ""),
        ("with x as (select 1) select * from x", "select", ""),
        ("listen something", "listen", ""),
        ("", "other", ""),
    ],
)
def test_a_statement_is_named_by_what_it_does_to_which_table_first(statement, kind, table):
    assert kind_of(statement) == (kind, table)
