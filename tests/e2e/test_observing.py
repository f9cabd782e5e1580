"""How a running device is seen from outside: figures on a real daemon with a broker and everything on."""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from edge_assistant.config import load_paths
from edge_assistant.ops import figures
from edge_assistant.ops.spans import names_of
from tests.collector import Collector, attributes
from tests.daemon import Daemon
from tests.mosquitto import Mosquitto
from tests.promql import asked

GRAFANA = Path(__file__).parents[2] / "provisioning/grafana"

CANARIES = ("zanzibar", "marzipan")
"""Words that stand in everything a person can name, say or configure in this house."""

CONFIGURATION = """
[assistant]
name = "Zanzibar"
persona = "zanzibar"
instructions = "Speak of zanzibar."
[personas.zanzibar]
name = "Marzipan"
tone = "zanzibar"
instructions = "Say marzipan."
[web]
allowed_hosts = ["zanzibar.example"]
[documents]
folder = "{folder}/marzipan"
[mqtt]
username = "zanzibar"
device = "zanzibar-house"
[cloud]
url = "mqtts://zanzibar.example:8883"
username = "marzipan"
names = ["Zanzibar Marzipan"]
[tools.topics]
"zanzibar/door" = "confirm"
[home.devices."light.zanzibar"]
name = "Marzipan"
area = "Zanzibar"
[[home.sentences]]
say = ["good night zanzibar"]
[[home.sentences.actions]]
entity = "light.zanzibar"
"""

NEEDS_SENSORS = {figures.TEMPERATURE.name, figures.SLOWED.name, figures.UNDER_VOLTAGE.name}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.fixture(scope="module")
def house(
    tmp_path_factory: pytest.TempPathFactory, models_folder: Path, starter_model: Path, collector: Collector
) -> Iterator[Daemon]:
    """Return a daemon that has answered, failed and been backed up."""
    folder = tmp_path_factory.mktemp("house-zanzibar")
    (folder / "config.toml").write_text(CONFIGURATION.format(folder=folder))
    (folder / "marzipan").mkdir()
    (folder / "marzipan/zanzibar.txt").write_text("The marzipan of Zanzibar is kept in the cellar.")
    broker = Mosquitto(folder).start()
    environ = {
        **os.environ,
        "STATE_DIRECTORY": str(folder / "state"),
        "EDGE_ASSISTANT_MODELS": str(models_folder),
        "EDGE_ASSISTANT_CONFIG": str(folder / "config.toml"),
        "EDGE_ASSISTANT__WEB__PORT": "0",
        "EDGE_ASSISTANT__WEB__LAN": "off",
        "EDGE_ASSISTANT__VOICE__ENABLED": "on",
        "EDGE_ASSISTANT__VOICE__INPUT": "off",
        "EDGE_ASSISTANT__VOICE__OUTPUT": "off",
        "EDGE_ASSISTANT__TELEMETRY__ENABLED": "on",
        "EDGE_ASSISTANT__TELEMETRY__ENDPOINT": collector.url,
        "EDGE_ASSISTANT__MQTT__ENABLED": "on",
        "EDGE_ASSISTANT__MQTT__URL": broker.url,
        "EDGE_ASSISTANT__HOME__ENABLED": "on",
        "EDGE_ASSISTANT__LLM__MAX_TOKENS": "12",
        "EDGE_ASSISTANT__CLOUD__ENABLED": "on",
        "EDGE_ASSISTANT__CLOUD__URL": broker.url,
    }
    daemon = Daemon(load_paths(environ), environ)
    try:
        daemon.start()
        assert daemon.ask("Say hello.", session="s1")["type"] == "turn.finished"
        # A busy machine may leave a sentence to the model, which then answers it.
        daemon.wait_until(lambda: daemon.ask("Set a timer for 50 minutes.")["route"]["rung"] == "intent")
        with daemon.connect() as client:
            client.send(type="message", id="t2", session="s1", text="And mine?", user="mia")
            assert client.until("turn.failed", "error")
        daemon.order(type="backup", path=str(folder / "my.backup"))
        yield daemon
    finally:
        daemon.clean_up()
        broker.kill()


def fetch(daemon: Daemon, token: str) -> str:
    request = urllib.request.Request(f"{daemon.url}/metrics", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return str(answer.read().decode())


@pytest.fixture(scope="module")
def told(house: Daemon) -> dict[str, Metric]:
    """Return every figure that a monitoring program with a token of its own is told."""
    token = house.order(type="add_token", name="prometheus", scopes=["status"])["token"]
    return {family.name: family for family in text_string_to_metric_families(fetch(house, token))}


def value(told: dict[str, Metric], name: str, **labels: str) -> float:
    (found,) = [
        each.value
        for each in told[name].samples
        if labels.items() <= each.labels.items() and not each.name.endswith(("_bucket", "_created"))
    ]
    return float(found)


def test_a_running_daemon_tells_every_figure_that_is_promised(told: dict[str, Metric]) -> None:
    promised = {metric.name: metric for metric in figures.ALL}
    assert set(told) <= set(promised)
    assert set(promised) - set(told) <= NEEDS_SENSORS | {figures.NOTICE.name}
    for name, family in told.items():
        assert family.type == promised[name].kind
        for each in family.samples:
            assert set(each.labels) - {"le"} == set(promised[name].labels), each


def test_the_figures_are_those_of_what_happened(told: dict[str, Metric]) -> None:
    assert value(told, "edge_assistant_turns", source="control", rung="local") >= 1
    assert value(told, "edge_assistant_turns", source="control", rung="intent") == 1
    assert value(told, "edge_assistant_turns", status="failed") == 1
    assert value(told, "edge_assistant_turn_failures", code="SESSION_NOT_FOUND") == 1
    assert value(told, "edge_assistant_model_ready") == 1
    assert value(told, "edge_assistant_worker_up", worker="llm") == 1
    assert value(told, "edge_assistant_worker_resident_bytes", worker="llm") > 5e6  # a heartbeat old
    assert value(told, "edge_assistant_mqtt_online") == 1
    assert value(told, "edge_assistant_cloud_online") == 1
    assert value(told, "edge_assistant_cloud_month_tokens") == 0
    assert value(told, "edge_assistant_cloud_budget_tokens") == 200_000
    assert value(told, "edge_assistant_tool_calls", tool="set_timer", outcome="done") == 1
    assert value(told, "edge_assistant_care_stage") in {0, 1, 2, 3}
    assert value(told, "edge_assistant_home_entities") == 0
    assert value(told, "edge_assistant_home_announcements_refused") == 0
    assert value(told, "edge_assistant_backups") == 1
    assert value(told, "edge_assistant_answer_tokens") > 0
    assert 20e6 < value(told, "edge_assistant_resident_bytes") < 200e6
    assert value(told, "edge_assistant_store_bytes") > 10_000


def test_no_label_has_many_values(told: dict[str, Metric]) -> None:
    assert max(len({tuple(s.labels.items()) for s in family.samples}) for family in told.values()) < 150


def test_who_has_no_token_is_told_nothing(house: Daemon) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(house, "made-up")
    assert refused.value.code == 403


def real_series(told: dict[str, Metric]) -> dict[str, set[str]]:
    """Return the series of the running daemon and the labels of each, with those that need a sensor."""
    series = {each.name: set(each.labels) - {"le"} for family in told.values() for each in family.samples}
    absent = [metric for metric in figures.ALL if metric.name not in told]
    return series | {metric.name: set(metric.labels) for metric in absent}


def wrong(query: str, series: dict[str, set[str]]) -> list[str]:
    """Return what a query asks for and the daemon does not have."""
    return [
        f"{name} {sorted(labels)}" for name, labels in asked(query).items()
        if name not in series or not labels <= series[name]
    ]  # fmt: skip


def dashboard_queries() -> list[str]:
    board = json.loads((GRAFANA / "edge-assistant.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    variables = [each["query"]["query"] for each in board["templating"]["list"] if each["type"] == "query"]
    return queries + [
        re.sub(r"label_values\((\w+), (\w+)\)", r"sum by (\2) (\1)", query) for query in variables
    ]


def test_every_query_of_the_dashboard_finds_its_series_in_a_running_daemon(told: dict[str, Metric]) -> None:
    series, queries = real_series(told), dashboard_queries()
    assert len(queries) > 30
    assert {query: found for query in queries if (found := wrong(query, series))} == {}


def test_every_alert_finds_its_series_and_says_what_to_do(told: dict[str, Metric]) -> None:
    (group,) = yaml.safe_load((GRAFANA / "alerts.yml").read_text())["groups"]
    series = real_series(told) | {"up": {"job"}}
    assert {rule["expr"]: found for rule in group["rules"] if (found := wrong(rule["expr"], series))} == {}
    assert all(rule["annotations"]["summary"] for rule in group["rules"])


def test_every_figure_stands_on_the_dashboard() -> None:
    names = {name for query in dashboard_queries() for name in asked(query)}
    shown = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in names}
    assert {metric.name for metric in figures.ALL} - shown == set()


@pytest.mark.parametrize(
    "query",
    [
        "rate(edge_assistant_turns[5m])",  # a counter's name ends in _total
        "sum by (person) (edge_assistant_turns_total)",
        'edge_assistant_worker_up{name="llm"}',
        "edge_assistant_first_token_seconds",  # a histogram has no series of its own name
        "edge_assistant_invented > 0",
    ],
)
def test_the_check_finds_what_the_daemon_does_not_have(told: dict[str, Metric], query: str) -> None:
    assert wrong(query, real_series(told))


def test_a_real_turn_is_traced_with_its_stages_and_without_a_word(
    house: Daemon, collector: Collector
) -> None:
    answer = house.ask("Repeat: zanzibar-kumquat.", session="kumquat-session", turn_id="kumquat-turn")
    trace = names_of("kumquat-turn")[0]
    house.wait_until(lambda: any(span.trace_id == trace for span in collector.spans))
    spans = [each for each in collector.spans if each.trace_id == trace]
    (root,) = [each for each in spans if not each.parent_span_id]
    stages = {each.name: each for each in spans if each.parent_span_id == root.span_id}
    assert {"retrieve", "queue", "model", "store"} <= set(stages)
    assert attributes(root)["gen_ai.usage.output_tokens"] == answer["usage"]["completion_tokens"]
    for stage in stages.values():
        assert root.start_time_unix_nano <= stage.start_time_unix_nano <= stage.end_time_unix_nano
        assert stage.end_time_unix_nano <= root.end_time_unix_nano
    (first,) = stages["model"].events
    taken = (first.time_unix_nano - root.start_time_unix_nano) / 1e6
    assert taken == pytest.approx(answer["timings"]["first_token_ms"], abs=1.0)
    # Single words of an answer may be words of the protocol too; two in a row are not.
    pairs = re.findall(r"(?=\b(\w+ \w+)\b)", answer["text"])
    said = [b"kumquat", *(pair.encode() for pair in pairs)]
    assert [words for words in said for body in collector.bodies if words in body] == []
    failed = next(each for each in collector.spans if "error.type" in attributes(each))
    assert attributes(failed)["error.type"] == "SESSION_NOT_FOUND"


@pytest.fixture(scope="module")
def lived_in(house: Daemon, told: dict[str, Metric]) -> Daemon:
    """Return the house after all that leaves a trace in log, state or figures, with a canary in each."""
    del told  # the figures of before are looked at alone
    house.ask("My name is Zanzibar and I like marzipan.", session="zanzibar-session", turn_id="zanzibar-turn")
    house.ask("Set a timer called marzipan for 50 minutes.", session="zanzibar-session")
    house.ask("What is kept in the cellar of Zanzibar?", session="marzipan-session")
    house.order(type="add_user", name="Marzipan", role="member")
    house.order(type="add_token", name="zanzibar", scopes=["status"])
    house.order(type="memory.add", text="my brother is called Zanzibar")
    for mistake in (
        {"type": "zanzibar"},
        {"type": "resume", "id": "zanzibar"},
        {"type": "revoke", "device": "marzipan"},
        {"type": "backup", "path": "/zanzibar/marzipan"},
        {"type": "message", "id": "zanzibar-2", "session": "not/zanzibar", "text": "marzipan"},
        {"type": "documents.add", "source": "https://zanzibar.invalid/marzipan"},
    ):
        house.order(**mistake)
    house.cli("documents", "add", str(house.paths.state.parent / "marzipan/zanzibar.txt"))
    return house


def canaries(text: str) -> list[str]:
    return [line for line in text.splitlines() if any(canary in line.lower() for canary in CANARIES)]


def test_a_debug_bundle_of_a_lived_in_house_holds_nothing_of_it(lived_in: Daemon) -> None:
    bundle = lived_in.cli("debug-bundle", "-")
    assert bundle.returncode == 0, bundle.stderr
    assert canaries(bundle.stdout) == []
    assert canaries(json.dumps(lived_in.order(type="debug"))) == []
    assert len(bundle.stdout.encode()) < 256 * 1024
    assert "model.phase = ready" in bundle.stdout
    assert "assistant.name = (set)" in bundle.stdout
    assert "edge_assistant_turns_total" in bundle.stdout
    assert re.search(r"INFO app: ready: process \d+\n", bundle.stdout)
    # What is not told is there: else the test would prove nothing.
    assert len(canaries(lived_in.log)) > 1


def test_without_a_daemon_the_bundle_tells_the_rest(house: Daemon, tmp_path: Path) -> None:
    alone = house.cli("debug-bundle", "-", STATE_DIRECTORY=str(tmp_path / "zanzibar"))
    assert alone.returncode == 0, alone.stderr
    assert "the assistant does not run" in alone.stdout
    assert canaries(alone.stdout) == []


def test_no_figure_holds_a_word_of_the_house(lived_in: Daemon) -> None:
    token = lived_in.order(type="add_token", name="figures", scopes=["status"])["token"]
    assert canaries(fetch(lived_in, token)) == []
