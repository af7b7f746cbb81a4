"""The table of metrics in docs/operations.md against what a server tells."""

import re
from pathlib import Path

from tests.end_to_end.telemetry.use import scraped

DOCUMENT = Path(__file__).parents[3] / "docs" / "operations.md"
OF_WORKERS = {"reflexio_worker_up": {"worker"}}
ONLY_SOMETIMES = {"error_type"}


def documented():
    """The labels of each metric."""
    found = {}
    section = DOCUMENT.read_text().partition("### Metrics")[2].partition("### Traces")[0]
    for line in section.splitlines():
        names = re.findall(r"`((?:reflexio|rpc|db)_\w+)`", line.split("|")[1]) if line.startswith("| `") else ()
        for name in names:
            found[name] = set(re.findall(r"`(\w+)`", line.split("|")[2]))
    return found


def told(server):
    _, samples = scraped(server)
    found = {}
    for name, labels in samples:
        family = re.sub(r"_(bucket|count|sum)$", "", name)
        if re.match("reflexio|rpc|db", family) and not name.endswith("_created"):
            found.setdefault(family, set()).update(label for label, _ in labels if label != "le")
    return found


def test_the_table_has_every_metric_with_its_labels_and_no_other(observed):
    written, real = documented(), told(observed)
    assert set(written) - set(OF_WORKERS) == set(real)
    assert {name: labels - ONLY_SOMETIMES for name, labels in written.items() if name in real} == real
