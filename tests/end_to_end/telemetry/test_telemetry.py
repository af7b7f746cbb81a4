"""What a server in a process of its own tells a collector, Prometheus and its log, and what it keeps to itself."""

import json

from tests.end_to_end.stand.poison import POISON
from tests.end_to_end.telemetry.collector import attributes_of
from tests.end_to_end.telemetry.use import ASKED, KEY, SAID, TRACE, USER, scraped


def value(samples, name, **labels):
    found = [value for (n, have), value in samples.items() if n == name and labels.items() <= dict(have).items()]
    assert found, f"there is no {name} with {labels}"
    return sum(found)


def test_prometheus_reads_what_was_done(observed):
    _, samples = scraped(observed)
    publish = "reflexio.v1.InteractionService/PublishInteractions"
    name = "rpc_server_call_duration_seconds_count"
    assert value(samples, name, rpc_method=publish, rpc_response_status_code="OK") == 2
    delete = "reflexio.v1.RequestService/DeleteRequest"
    assert value(samples, name, rpc_method=delete, rpc_response_status_code="INVALID_ARGUMENT") == 1
    assert value(samples, "reflexio_refusals_total", reason="invalid_field") == 1
    assert value(samples, "reflexio_refusals_total", reason="backlog_full", limit="user") == 1
    for mode, count in (("hybrid", 2), ("vector", 1), ("fts", 1), ("newest", 1)):
        assert value(samples, "reflexio_searches_total", mode=mode) == count
    assert value(samples, "reflexio_published_interactions_total") == 2
    assert value(samples, "reflexio_index_reads_total", outcome="loaded") == 1
    assert value(samples, "reflexio_index_reads_total", outcome="hit") >= 2
    assert value(samples, "reflexio_embedding_texts_total", priority="query") == 1
    assert value(samples, "reflexio_embedding_batch_duration_seconds_count") >= 2
    statements = "db_client_operation_duration_seconds_count"
    assert value(samples, statements, db_operation_name="insert", db_collection_name="idempotency_keys") >= 2
    assert value(samples, "reflexio_serving") == value(samples, "reflexio_database_up") == 1
    assert value(samples, "reflexio_index_size_bytes") > 0
    assert value(samples, "reflexio_index_partitions") == 1
    assert value(samples, "reflexio_database_connections_max") == 10
    assert value(samples, "target_info", service_name="reflexio", deployment_environment_name="test") == 1


def test_no_metric_names_a_user_or_an_organisation_or_what_was_said(observed):
    text, samples = scraped(observed)
    for secret in (USER, SAID, ASKED, KEY, "the-web-request", "postgresql+", "host="):
        assert secret not in text
    labels = {name for _, labels in samples for name, _ in labels}
    assert not {name for name in labels if "org" in name or "user" in name}


def test_spans_of_calls_statements_and_embedding_are_in_the_trace_of_the_caller(observed, collector):
    def names():
        return {span.name for span in collector.spans if span.trace_id == TRACE.to_bytes(16, "big")}

    search = "reflexio.v1.InteractionService/SearchInteractions"
    collector.wait_until(lambda: {search, "embed a query", "insert idempotency_keys"} <= names())
    assert any(name.startswith("select ") for name in names())
    calls = [span for span in collector.spans if span.name == search]
    found = attributes_of(calls[0])
    assert found["rpc.response.status_code"] == "OK"
    assert found["reflexio.request_id"] == "the-web-request"
    assert found["reflexio.organization"] == 1
    assert calls[0].parent_span_id == (1).to_bytes(8, "big")
    [query] = [span for span in collector.spans if span.name == "embed a query"]
    assert query.parent_span_id in {span.span_id for span in calls}
    assert collector.resource["service.name"] == "reflexio"
    for secret in (USER, SAID, ASKED, KEY):
        assert secret not in str(collector.spans)


def test_the_same_metrics_go_to_the_collector(observed, collector):
    def searches():
        points = (
            collector.metrics["reflexio.searches"].sum.data_points if "reflexio.searches" in collector.metrics else ()
        )
        return sum(point.as_int for point in points)

    collector.wait_until(lambda: searches() >= 5)
    assert searches() == 5
    assert "rpc.server.call.duration" in collector.metrics


def own_log(server):
    """Its log without what gRPC said in this process, which has threads, on its way to becoming that one."""
    return "\n".join(line for line in server.log.splitlines() if "fork_posix.cc" not in line)


def test_each_log_line_of_a_call_says_which_call_it_is(observed):
    lines = [json.loads(line) for line in own_log(observed).splitlines()]
    calls = [line for line in lines if line["event"] == "call"]
    assert len(calls) >= 8
    for line in calls:
        assert line["request_id"] == "the-web-request"
        assert line["organization"] == 1
        assert line["method"].startswith("/reflexio.v1.")
        assert line["trace_id"] == f"{TRACE:032x}"
    for secret in (USER, SAID, ASKED, KEY, POISON):
        assert secret not in own_log(observed)
