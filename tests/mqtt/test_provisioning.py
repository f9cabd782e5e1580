"""The broker that `provisioning/broker/set-up` makes: TLS, certificates, and who may do what."""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path

import msgspec
import pytest

from edge_assistant.mqtt import connection
from edge_assistant.mqtt.broker import Broker
from edge_assistant.mqtt.connection import Connection, Outgoing
from tests.mosquitto import Mosquitto, free_port
from tests.mqtt.test_connection import Inbox, running, until

SET_UP = Path(__file__).parent.parent.parent / "provisioning" / "broker" / "set-up"


class Guarded:
    """A provisioned broker with the devices `kitchen` and `bedroom`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port, self.mutual = free_port(), free_port()
        self.set_up("--home-assistant", "kitchen", "bedroom")
        self.process = Mosquitto.provisioned(folder / "mosquitto.conf", self.port).start()

    def set_up(self, *names: str) -> str:
        ports = ["--port", str(self.port), "--mutual-port", str(self.mutual), "--user", getpass.getuser()]
        done = subprocess.run(
            [SET_UP, self.folder, *ports, *names], capture_output=True, text=True, check=False
        )
        return done.stdout if done.returncode == 0 else done.stderr

    def password(self, name: str) -> str:
        return (self.folder / "devices" / name / "password").read_text().strip()

    def with_password(self, name: str, password: str | None = None) -> Broker:
        return Broker(
            host="localhost", port=self.port, tls=True, username=name,
            password=password or self.password(name), ca_file=str(self.folder / "ca.crt"),
        )  # fmt: skip

    def with_certificate(self, name: str) -> Broker:
        own = self.folder / "devices" / name
        return Broker(
            host="localhost", port=self.mutual, tls=True, ca_file=str(own / "ca.crt"),
            certificate_file=str(own / "client.crt"), key_file=str(own / "client.key"),
        )  # fmt: skip


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    guarded = Guarded(tmp_path_factory.mktemp("broker"))
    yield guarded
    guarded.process.kill()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A broker that closes in the middle of a handshake is waited for: not ten seconds here."""
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 1.0)


@pytest.mark.parametrize("way", ["with_password", "with_certificate"])
async def test_a_device_comes_in_and_uses_its_own_branch(guarded, way):
    inbox = Inbox()
    kitchen = Connection(getattr(guarded, way)("kitchen"), "kitchen")
    kitchen.subscribe("edge-assistant/kitchen/ask", inbox)
    home = Connection(guarded.with_password("home-assistant"), "ha")
    async with running(kitchen, home):
        await until(lambda: kitchen.online and home.online)
        await home.publish(Outgoing(topic="edge-assistant/kitchen/ask", payload="Hi"))
        await until(lambda: inbox.texts == ["Hi"])


@pytest.mark.parametrize(
    "stranger",
    [
        lambda g: g.with_password("kitchen", "wrong"),
        lambda g: g.with_password("nobody", "x"),
        lambda g: msgspec.structs.replace(g.with_password("kitchen"), username=None, password=None),
        lambda g: msgspec.structs.replace(g.with_password("kitchen"), tls=False),
        lambda g: msgspec.structs.replace(g.with_password("kitchen"), ca_file=""),
        lambda g: msgspec.structs.replace(g.with_password("kitchen"), host="127.0.0.2"),
        lambda g: msgspec.structs.replace(g.with_password("kitchen"), port=g.mutual),
        lambda g: msgspec.structs.replace(g.with_certificate("kitchen"), certificate_file="/nowhere"),
    ],
    ids=[
        "wrong password", "unknown user", "nobody", "no TLS", "unknown authority", "other host",
        "no certificate", "certificate missing",
    ],
)  # fmt: skip
async def test_whoever_is_not_known_or_does_not_know_the_broker_stays_out(guarded, stranger):
    outsider = Connection(stranger(guarded), "stranger")
    async with running(outsider):
        await until(lambda: "can't reach" in outsider.detail)
        assert not outsider.online


async def test_a_certificate_of_another_authority_is_refused(guarded, tmp_path):
    other = Guarded.__new__(Guarded)
    other.folder, other.port, other.mutual = tmp_path / "other", free_port(), free_port()
    other.set_up("kitchen")
    own = other.folder / "devices" / "kitchen"
    broker = msgspec.structs.replace(
        guarded.with_certificate("kitchen"), certificate_file=str(own / "client.crt"),
        key_file=str(own / "client.key"),
    )  # fmt: skip
    outsider = Connection(broker, "kitchen")
    async with running(outsider):
        await until(lambda: "can't reach" in outsider.detail)


async def test_a_stolen_device_speaks_for_no_other_one(guarded):
    inbox = Inbox()
    home = Connection(guarded.with_password("home-assistant"), "ha")
    home.subscribe("#", inbox)
    bedroom = Connection(guarded.with_certificate("bedroom"), "bedroom")
    async with running(home, bedroom):
        await until(lambda: home.online and bedroom.online)
        for topic in (
            "edge-assistant/kitchen/answer", "edge-assistant/kitchen/state", "edge-assistant/kitchen/restart",
            "homeassistant/device/kitchen/config", "homeassistant/status", "homeassistant/light/x/config",
        ):  # fmt: skip
            await bedroom.publish(Outgoing(topic=topic, payload="forged"))
        for topic in (
            "edge-assistant/bedroom/answer",
            "edge-assistant/kitchen/announce",
            "zigbee2mqtt/lamp/set",
        ):
            await bedroom.publish(Outgoing(topic=topic, payload="fine"))
        await until(lambda: len(inbox.messages) >= 3)
    assert {message.topic for message in inbox.messages if message.payload == b"forged"} == set()


async def test_it_does_not_hear_what_others_are_told(guarded):
    inbox = Inbox()
    bedroom = Connection(guarded.with_certificate("bedroom"), "bedroom")
    bedroom.subscribe("edge-assistant/#", inbox)
    home = Connection(guarded.with_password("home-assistant"), "ha")
    async with running(bedroom, home):
        await until(lambda: home.online and bedroom.online)
        await home.publish(Outgoing(topic="edge-assistant/kitchen/answer", payload="a secret"))
        await home.publish(Outgoing(topic="edge-assistant/bedroom/ask", payload="Hi"))
        await until(lambda: "Hi" in inbox.texts)
    assert inbox.texts == ["Hi"]


async def test_a_worker_of_the_cloud_answers_questions_and_has_no_part_in_the_house(guarded):
    guarded.set_up("--cloud-worker")
    guarded.process.kill()
    guarded.process.start()
    seen, told = Inbox(), Inbox()
    home = Connection(guarded.with_password("home-assistant"), "ha")
    home.subscribe("#", seen)
    worker = Connection(guarded.with_password("cloud-worker"), "worker")
    worker.subscribe("#", told)
    async with running(home, worker):
        await until(lambda: home.online and worker.online)
        for topic in WORKERS_NEVER_WRITE:
            await worker.publish(Outgoing(topic=topic, payload="forged"))
        await worker.publish(Outgoing(topic="edge-assistant/cloud/reply/kitchen", payload="fine"))
        for topic in WORKERS_NEVER_READ:
            await home.publish(Outgoing(topic=topic, payload="a secret"))
        await home.publish(Outgoing(topic="edge-assistant/cloud/request/kitchen", payload="Hi"))
        await until(lambda: "Hi" in told.texts and "fine" in seen.texts)
    assert [message.topic for message in seen.messages if message.payload == b"forged"] == []
    assert told.texts == ["Hi"]


def test_whatever_the_list_gives_to_everybody_it_denies_to_the_workers():
    lines = [line.split(maxsplit=2) for line in (SET_UP.parent / "acl").read_text().splitlines()]
    given = [line[2].replace("%u", "cloud-worker") for line in lines if line[:1] == ["pattern"]]
    denied = [line[2] for line in lines if line[:2] == ["topic", "deny"]]
    covered = [topic for topic in given for deny in denied if _covers(deny, topic)]
    assert set(given) - set(covered) == set()


def _covers(topic_filter: str, topic: str) -> bool:
    return topic_filter == topic or (topic_filter.endswith("#") and topic.startswith(topic_filter[:-1]))


WORKERS_NEVER_WRITE = (
    "edge-assistant/kitchen/announce", "edge-assistant/kitchen/ack", "edge-assistant/cloud-worker/state",
    "edge-assistant/cloud/request/cloud-worker", "edge-assistant/cloud/request/kitchen",
    "edge-assistant/cloud/control/cloud-worker/w-1", "homeassistant/device/cloud-worker/config",
    "zigbee2mqtt/lamp/set", "cmnd/plug/POWER",
)  # fmt: skip
WORKERS_NEVER_READ = (
    "edge-assistant/kitchen/availability", "edge-assistant/kitchen/ask", "edge-assistant/cloud-worker/ask",
    "edge-assistant/cloud/reply/kitchen", "edge-assistant/cloud/reply/cloud-worker", "homeassistant/status",
    "homeassistant/light/x/config", "zigbee2mqtt/lamp", "tasmota/discovery/x/config", "tele/plug/STATE",
    "stat/plug/POWER",
)  # fmt: skip


def test_more_devices_are_added_and_nothing_is_made_anew(guarded):
    before = {name: (guarded.folder / name).read_bytes() for name in ("ca.key", "devices/kitchen/password")}
    assert "device attic" in guarded.set_up("attic")
    assert before == {name: (guarded.folder / name).read_bytes() for name in before}
    assert (guarded.folder / "devices/attic/client.key").stat().st_mode & 0o077 == 0


def test_a_list_that_somebody_edited_stays_and_one_that_nobody_did_follows_ours(guarded):
    acl, ours = guarded.folder / "acl", (SET_UP.parent / "acl").read_text()
    for old in (acl, guarded.folder / "acl.made"):
        old.write_text("# ours of before\n")
    guarded.set_up("kitchen")
    assert acl.read_text() == ours
    edited = ours.replace("pattern write cmnd/#\n", "")
    acl.write_text(edited)
    for _ in range(2):
        guarded.set_up("kitchen")
        assert acl.read_text() == edited
    assert (guarded.folder / "acl.new").read_text() == ours
    acl.write_text(ours)


@pytest.mark.parametrize("name", ["Kitchen", "../x", "a/b", "cloud", "fleet", "x" * 41, "-x"])
def test_a_name_that_no_device_may_have_is_refused(guarded, name):
    assert guarded.set_up(name).startswith("error: ")
    assert not (guarded.folder / "devices" / name).exists()
