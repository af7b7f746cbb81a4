"""The dashboard and the alert rules ask for metrics and labels that a server has."""

import json
import re
from pathlib import Path

import pytest
import yaml
from reflexio_server.domain.errors import Reason

from tests.end_to_end.telemetry.use import scraped

DEPLOY = Path(__file__).parents[3] / "deploy"
OF_WORKERS = {"worker"}
"""Labels that are there with several workers."""
OF_PROMETHEUS = {"job", "instance", "le"}


def panels():
    found = json.loads((DEPLOY / "grafana" / "reflexio.json").read_text())["panels"]
    return [target["expr"] for panel in found for target in panel.get("targets", ())]


def legends():
    found = json.loads((DEPLOY / "grafana" / "reflexio.json").read_text())["panels"]
    texts = [target["legendFormat"] for panel in found for target in panel.get("targets", ())]
    return {label for text in texts for label in re.findall(r"\{\{(\w+)\}\}", text)}


def alerts():
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("expression", [*panels(), *alerts()])
def test_what_is_asked_for_is_there(observed, expression):
    _, samples = scraped(observed)
    names, labels = {name for name, _ in samples}, {name for _, found in samples for name, _ in found}
    selected = {label for inner in re.findall(r"\{(.*?)\}", expression) for label in re.findall(r"(\w+)\s*[!=]", inner)}
    grouped = {label.strip() for inner in re.findall(r"\bby \((.*?)\)", expression) for label in inner.split(",")}
    assert selected | grouped <= labels | OF_PROMETHEUS | OF_WORKERS
    asked = set(re.findall(r"\b(?:reflexio|rpc|db|process)_\w+", expression)) - selected - grouped
    assert asked
    assert asked <= names


def test_legends_name_labels_that_are_there(observed):
    _, samples = scraped(observed)
    assert legends() <= {name for _, found in samples for name, _ in found} | OF_PROMETHEUS | OF_WORKERS


def test_the_reasons_that_alerts_look_for_are_reasons():
    named = {
        name for text in alerts() for found in re.findall(r'reason=~?"([\w|]+)"', text) for name in found.split("|")
    }
    assert named <= {reason.name.lower() for reason in Reason} | {"eviction", "stale"}
    assert "backlog_full" in named
