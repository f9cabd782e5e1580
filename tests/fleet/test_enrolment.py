"""How devices come in, over a real Mosquitto with TLS and its dynamic-security plugin."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from edge_assistant.errors import EdgeError
from edge_assistant.fleet import agent, enrolment
from edge_assistant.fleet.enrolment import Enrolment, claim_of
from edge_assistant.fleet.identity import Keeper
from edge_assistant.fleet.registrar.book import Serial
from edge_assistant.fleet.wire import Reported, device_topic, encode, enrol_topic
from edge_assistant.mqtt.connection import Connection, Outgoing
from tests.fleet.fleet import Gadget, Ground, a_token, until

ALONE = """
import json, pathlib, sys
from edge_assistant.bench.fleet.cuts import live
from edge_assistant.bench.fleet.ground import Ground
from edge_assistant.fleet.registrar.setup import Place
folder, place, token = json.load(sys.stdin)
ground = Ground(pathlib.Path(folder))
ground.place = Place(**place)
live(ground, "pi", token)
"""


async def state_of(registrar, name):
    devices = {device.name: device.state for device in await registrar.book.devices()}
    return devices.get(name)


async def is_in(registrar, name, state="enrolled"):
    return await state_of(registrar, name) == state


async def allowed(registrar, *serials):
    await registrar.book.keep_serials(Serial(serial=serial) for serial in serials)


async def test_a_device_enrols_with_a_claim_once_the_operator_approves_and_reports_with_its_certificate(
    ground, registrar
):
    gadget = Gadget(ground, "kitchen", await a_token(registrar))
    async with gadget.running():
        await until(lambda: is_in(registrar, "kitchen", "pending"))
        assert gadget.keeper.load() is None
        await until(lambda: "approve" in gadget.agent.problem)
        await registrar.approve("kitchen")

        async def enrolled():
            device = await registrar.book.device("kitchen")
            return device.state == "enrolled" and device.online and device.reported

        await until(enrolled)
        await until(lambda: users_are(registrar, "kitchen"))
    identity = gadget.keeper.load()
    assert identity is not None
    assert (identity.name, gadget.agent.phase) == ("kitchen", "enrolled")
    assert (gadget.keeper.folder / "key.pem").stat().st_mode & 0o077 == 0
    assert b"PRIVATE" not in b"".join(path.read_bytes() for path in ground.folder.glob("registrar.db*")), (
        "its key is nowhere else"
    )


async def users_are(registrar, *names):
    """Whether the broker knows these devices and nobody else: the claim has done its work."""
    wanted = {user for name in names for user in (name, f"recovery.{name}")}
    try:
        return await registrar.door.rights.users() == wanted
    except EdgeError:
        return False


async def test_a_board_on_the_list_needs_no_approval_and_a_second_one_with_its_serial_number_does(
    ground, registrar
):
    await allowed(registrar, "0000")
    first = Gadget(ground, "one", await a_token(registrar, groups=("bench",)), serial="0000")
    twin = Gadget(ground, "two", await a_token(registrar), serial="0000")
    async with first.running():
        await until(lambda: is_in(registrar, "one"))
        async with twin.running():
            await until(lambda: is_in(registrar, "two", "pending"))
            assert "one" in (await registrar.book.device("two")).note
            assert (await registrar.book.device("one")).groups == ("bench",)
            await registrar.approve("two", replace=True)
            await until(lambda: is_in(registrar, "two"))
            assert await is_in(registrar, "one", "revoked")


async def test_devices_of_one_name_are_told_apart(ground, registrar):
    await allowed(registrar, "a", "b")
    one = Gadget(ground, "one", await a_token(registrar, name="Kitchen Pi!"), serial="a")
    two = Gadget(ground, "two", await a_token(registrar, name="Kitchen Pi!"), serial="b")
    async with one.running(), two.running():
        await until(lambda: is_in(registrar, "kitchen-pi"))
        await until(lambda: is_in(registrar, "kitchen-pi-2"))


async def test_a_claim_reaches_its_own_enrolment_and_a_device_its_own_topics_only(ground, registrar):
    await allowed(registrar, "serial-kitchen")
    heard = []

    async def hear(message):
        heard.append(message.topic)

    one, two = await a_token(registrar), await a_token(registrar)
    claim = Connection(ground.broker(*claim_of(one)), "nosy")
    claim.subscribe("#", hear)
    claim.subscribe(enrol_topic(claim_of(two)[0], "reply"), hear)
    claim.subscribe(device_topic("kitchen", "desired"), hear)
    gadget = Gadget(ground, "kitchen", two)
    forged = encode(Reported(version="forged", serial="x", health="ok"))
    async with running(claim), gadget.running():
        await until(lambda: claim.online)
        await until(lambda: is_in(registrar, "kitchen"))
        device = Connection(gadget.keeper.broker(gadget.keeper.load()), "kitchen-too")
        device.subscribe("edge-assistant/fleet/#", hear)
        async with running(device):
            await until(lambda: device.online)
            for stranger in (claim, device):
                for topic in (device_topic("bedroom", "reported"), "$CONTROL/dynamic-security/v1"):
                    await stranger.publish(Outgoing(topic=topic, payload=forged))
            await claim.publish(Outgoing(topic=device_topic("kitchen", "reported"), payload=forged))
            gadget.agent.tell()
            await asyncio.sleep(0.3)  # long enough for what must not come
    assert heard == []
    reported = (await registrar.book.device("kitchen")).reported
    assert reported is not None
    assert reported.version == "1"
    assert await state_of(registrar, "bedroom") is None


@contextlib.asynccontextmanager
async def running(connection):
    task = asyncio.create_task(connection.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_revoked_device_loses_its_session_and_never_comes_back_with_that_key(ground, registrar):
    await allowed(registrar, "serial-kitchen")
    gadget = Gadget(ground, "kitchen", await a_token(registrar))
    async with gadget.running():
        await until(lambda: is_in(registrar, "kitchen"))
        connects = gadget.agent.connection.connects
        await registrar.revoke("kitchen")
        await until(lambda: not gadget.online or gadget.agent.connection.connects > connects)
    assert await registrar.door.rights.users() == set()
    contact = (await registrar.book.device("kitchen")).last_contact
    async with gadget.running():
        await asyncio.sleep(0.5)  # it tries
    assert (await registrar.book.device("kitchen")).last_contact == contact
    again = Enrolment(
        gadget.keeper,
        ground.broker(*claim_of(await a_token(registrar))),
        serial=gadget.serial,
        name="kitchen",
    )
    with pytest.raises(EdgeError, match="FLEET_KEY_REVOKED"):
        await again.run()
    with pytest.raises(EdgeError, match="FLEET_DEVICE_REVOKED"):
        await registrar.approve("kitchen")


async def test_the_clock_of_1970_at_the_first_boot_is_no_obstacle(ground, registrar):
    await allowed(registrar, "serial-pi")
    told = [str(ground.folder), msgspec.structs.asdict(ground.place), await a_token(registrar)]
    process = subprocess.Popen(
        ("faketime", "-f", "@1970-01-02 00:00:00", sys.executable, "-c", ALONE),
        stdin=subprocess.PIPE, start_new_session=True,
        env={**os.environ, "FAKETIME_DONT_FAKE_MONOTONIC": "1"},
    )  # fmt: skip
    try:
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(told))
        process.stdin.close()
        await until(lambda: is_in(registrar, "pi"))
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # faketime lives on as the parent
        process.wait()


async def test_a_clock_far_ahead_neither_shuts_a_device_out_nor_makes_it_ask_all_the_time(ground, registrar):
    await allowed(registrar, "serial-pi")
    ahead = datetime(2040, 1, 1, tzinfo=UTC)
    gadget = Gadget(ground, "pi", await a_token(registrar), clock=lambda: ahead)
    async with gadget.running():
        await until(lambda: is_in(registrar, "pi"))
        certificate = (await registrar.book.device("pi")).certificate
    async with gadget.running():
        await until(lambda: gadget.online)
    assert (await registrar.book.device("pi")).certificate == certificate


async def test_no_network_in_the_middle_of_enrolment_costs_time_only(ground, registrar, monkeypatch):
    monkeypatch.setattr(enrolment, "PENDING_SECONDS", 0.2)
    gadget = Gadget(ground, "kitchen", await a_token(registrar))
    async with gadget.running():
        await until(lambda: is_in(registrar, "kitchen", "pending"))
        await asyncio.to_thread(ground.mosquitto.kill)
        await until(lambda: not registrar.connection.online)
        with pytest.raises(EdgeError, match="FLEET_BROKER_OFFLINE"):
            await registrar.approve("kitchen")
        await asyncio.to_thread(ground.mosquitto.start)
        await until(lambda: is_in(registrar, "kitchen"))


async def test_a_certificate_that_ended_while_the_device_was_off_is_renewed_by_its_recovery(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(agent, "LOOK_SECONDS", 0.5)  # one that ended on its way is soon followed
    ground = await Ground(tmp_path / "fleet", lifetime_hours=1.5 / 3600).start()
    try:
        async with ground.registrar() as registrar:
            await allowed(registrar, "serial-pi")
            gadget = Gadget(ground, "pi", await a_token(registrar))
            async with gadget.running():
                await until(lambda: is_in(registrar, "pi"))
            old = gadget.keeper.load()
            await until(lambda: old.ended(datetime.now(UTC) - timedelta(seconds=1)))
            token_less = Gadget(ground, "pi", "")
            async with token_less.running():
                await until(lambda: token_less.online)
            assert gadget.keeper.load().certificate != old.certificate
            await registrar.revoke("pi")
            revoked = Gadget(ground, "pi", "")
            await until(lambda: revoked.keeper.load().ended(datetime.now(UTC)))
            async with revoked.running():
                await until(lambda: "ot authori" in revoked.agent.problem)
    finally:
        ground.mosquitto.kill()


async def test_a_certificate_is_renewed_in_time_and_the_key_stays(ground, registrar, monkeypatch):
    monkeypatch.setattr(agent, "LOOK_SECONDS", 0.05)
    await allowed(registrar, "serial-pi")
    later = timedelta(days=0)
    gadget = Gadget(ground, "pi", await a_token(registrar), clock=lambda: datetime.now(UTC) + later)
    async with gadget.running():
        await until(lambda: is_in(registrar, "pi"))
        before, key = gadget.keeper.load(), gadget.keeper.key().private_numbers()
        later = timedelta(days=61)
        registrar._clock = lambda: time.time() + later.total_seconds()
        # The broker's own clock does not go along, so that the new one is not let in here yet.
        await until(lambda: gadget.keeper.load().until > before.until)
    assert gadget.keeper.key().private_numbers() == key


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"[]", b"\xff", b'{"csr": 1}', b'{"csr": "x", "serial": "s"}', b"{" * 30_000, b"x" * 40_000],
)
async def test_what_is_no_request_changes_nothing(ground, registrar, payload):
    token = await a_token(registrar)
    claim = Connection(ground.broker(*claim_of(token)), "hostile")
    async with running(claim):
        await until(lambda: claim.online)
        await claim.publish(Outgoing(topic=enrol_topic(claim_of(token)[0], "request"), payload=payload))
        await until(registrar._inbox.empty)
    assert await registrar.book.devices() == []
    assert (await registrar.book.claims())[0].state == "open"


@pytest.mark.parametrize("token", ["", "x", "claim.x", "claim.x:short", "kitchen:" + "x" * 40])
def test_a_token_that_is_none_is_said_to_be_none(token):
    with pytest.raises(EdgeError, match="FLEET_CLAIM_BAD"):
        claim_of(token)


def test_a_damaged_key_is_named_and_a_damaged_identity_counts_as_none(tmp_path):
    keeper = Keeper(tmp_path / "fleet")
    keeper.key()
    (tmp_path / "fleet" / "identity.json").write_bytes(b"{")
    assert keeper.load() is None
    (tmp_path / "fleet" / "key.pem").write_bytes(b"noise")
    with pytest.raises(EdgeError, match="FLEET_KEY_DAMAGED"):
        keeper.key()
