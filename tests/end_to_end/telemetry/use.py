"""What is done with the server that these tests look at, and how Prometheus reads it."""

import re
import urllib.request

import pytest
import reflexio
from opentelemetry import context, trace
from prometheus_client.parser import text_string_to_metric_families

from tests.end_to_end.stand.poison import POISON

SAID = "Xylophones arrive on Tuesday"
ASKED = "when do instruments come, zeugma?"
USER = "user-whom-no-metric-names"
KEY = "rflx-" + "k" * 40
TRACE = 0x0AF7651916CD43DD8448EB211C80319C


def use(url):
    around = trace.NonRecordingSpan(trace.SpanContext(TRACE, 1, is_remote=False, trace_flags=trace.TraceFlags(1)))
    token = context.attach(trace.set_span_in_context(around))
    try:
        with reflexio.ReflexioClient(url_endpoint=url, api_key=KEY) as client, reflexio.x_request_id("the-web-request"):
            client.publish_interaction(USER, [{"content": SAID}], wait_for_response=True)
            for mode in ("hybrid", "hybrid", "vector", "fts"):
                client.search_interactions(user_id=USER, query=ASKED, search_mode=mode)
            client.search_interactions(user_id=USER)
            client.publish_interaction(USER, [{"content": POISON}])
            with pytest.raises(reflexio.BacklogFullError):
                client.publish_interaction(USER, [{"content": "too much"}])
            with pytest.raises(reflexio.InvalidArgumentError):
                client.delete_request("")
    finally:
        context.detach(token)


def scraped(server):
    """What Prometheus would read: value by name and labels."""
    url = re.search(r"http://[^\"]+/metrics", server.log)[0]
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    return text, {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
