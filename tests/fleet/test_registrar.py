"""The registrar keeps its promises when it, or its broker, has lost some of its memory."""

from __future__ import annotations

import asyncio
import shutil

import apsw
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.errors import EdgeError
from edge_assistant.fleet.registrar.admission import Asked, admit
from edge_assistant.fleet.registrar.book import Claim, Serial, claim_in, devices_in, keep_claim_in
from edge_assistant.fleet.registrar.migrations import MIGRATIONS
from edge_assistant.fleet.registrar.rights import initial
from edge_assistant.fleet.wire import Request
from tests.fleet.fleet import Gadget, a_token, until


async def state_of(registrar, name):
    return {device.name: device.state for device in await registrar.book.devices()}.get(name)


async def enrolled(registrar, name):
    return await state_of(registrar, name) == "enrolled"


async def enrol(ground, registrar, name):
    await registrar.book.keep_serials([Serial(serial=f"serial-{name}")])
    gadget = Gadget(ground, name, await a_token(registrar))
    async with gadget.running():
        await until(lambda: enrolled(registrar, name))
    return gadget


async def users_are(registrar, wanted):
    """Whether the broker, when it can be reached, knows these and nobody else."""
    try:
        return await registrar.door.rights.users() == wanted
    except EdgeError:
        return False


async def test_a_registrar_restored_from_an_old_backup_lets_nobody_back_in_and_forgets_nobody(
    ground, tmp_path
):
    async with ground.registrar() as registrar:
        await enrol(ground, registrar, "revoked-later")
        kept = await enrol(ground, registrar, "kept")
        open_claim = await a_token(registrar)
    shutil.copytree(ground.folder, tmp_path / "backup", ignore=shutil.ignore_patterns("broker", "*.sock"))
    async with ground.registrar() as registrar:
        newer = await enrol(ground, registrar, "newer")
        late = await enrol(ground, registrar, "revoked-newer")
        await registrar.revoke("revoked-later")
        await registrar.revoke("revoked-newer")
    for path in ground.folder.glob("registrar.db*"):
        path.unlink()
    shutil.copytree(tmp_path / "backup", ground.folder, dirs_exist_ok=True)
    async with ground.registrar() as registrar:
        assert await state_of(registrar, "revoked-later") == "held"
        assert await state_of(registrar, "kept") == "enrolled"
        assert {claim.state for claim in await registrar.book.claims()} <= {"used", "void"}
        async with newer.running(), kept.running(), late.running():
            await until(lambda: enrolled(registrar, "newer"))
            await until(lambda: kept.online)
            assert "backup" in (await registrar.book.device("newer")).note
        assert await state_of(registrar, "revoked-newer") is None
        wanted = {"kept", "recovery.kept", "newer", "recovery.newer"}
        await until(lambda: users_are(registrar, wanted))
        assert open_claim.partition(":")[0] not in wanted
        await registrar.approve("revoked-later")
        assert "revoked-later" in await registrar.door.rights.users()
    async with ground.registrar() as registrar:  # nothing of it is taken for a restore again
        assert await state_of(registrar, "revoked-later") == "enrolled"
        assert "newer" in await registrar.door.rights.users()


async def test_a_broker_that_lost_its_list_gets_it_again(ground):
    async with ground.registrar() as registrar:
        gadget = await enrol(ground, registrar, "kitchen")
        await a_token(registrar)
        await asyncio.to_thread(ground.mosquitto.kill)
        file = ground.folder / "broker" / "rights" / "dynamic-security.json"
        file.write_bytes(msgspec.json.encode(initial(ground.place.password)))
        await asyncio.to_thread(ground.mosquitto.start)
        async with gadget.running():
            await until(lambda: gadget.online)
            await until(lambda: users_are(registrar, {"kitchen", "recovery.kitchen"}))
        assert (await registrar.book.claims())[0].state == "void", "nobody knows its password any more"


async def test_a_registrar_that_was_killed_between_book_and_broker_mends_it(ground, monkeypatch):
    async with ground.registrar() as registrar:
        await registrar.book.keep_serials([Serial(serial="serial-pi")])
        gadget = Gadget(ground, "pi", await a_token(registrar))

        async def cut(orders):
            raise EdgeError("FLEET_BROKER_OFFLINE", "gone")

        with monkeypatch.context() as patch:
            patch.setattr(registrar.door.rights, "carry_out", cut)
            async with gadget.running():
                await until(lambda: is_approved(registrar, "pi"))
    async with ground.registrar() as registrar, gadget.running():
        await until(lambda: enrolled(registrar, "pi"))


async def is_approved(registrar, name):
    return await state_of(registrar, name) == "approved"


async def test_a_claim_lives_fifteen_minutes_and_longer_only_for_one_board(registrar):
    await a_token(registrar, seconds=900)
    await a_token(registrar, seconds=86_400, serial="s")
    for wish in ({"seconds": 901}, {"seconds": 86_401, "serial": "s"}, {"seconds": 0}):
        with pytest.raises(EdgeError, match="FLEET_CLAIM_TOO_LONG"):
            await a_token(registrar, **wish)


def database() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    for migration in MIGRATIONS:
        migration(connection)
    return connection


@given(
    used=st.sampled_from(["", "ours", "other"]), late=st.integers(-900, 900),
    bound=st.sampled_from(["", "s", "t"]), state=st.sampled_from(["open", "void"]), known=st.booleans(),
)  # fmt: skip
def test_a_claim_admits_one_key_of_the_right_board_in_time_and_nobody_else(used, late, bound, state, known):
    db = database()
    claim = Claim(
        id="claim.1", serial=bound, state="used" if used else state, key=used, created_at=100, expires_at=1000
    )
    keep_claim_in(db, claim)
    asked = Asked("claim.1" if known else "claim.2", Request(csr="", serial="s"), "ours", "pem")
    good = known and bound in {"", "s"} and (used == "ours" or (not used and state == "open" and late < 0))
    try:
        device = admit(db, asked, 1000 + late)
    except EdgeError:
        assert not good
        assert devices_in(db) == []
        assert claim_in(db, "claim.1") == claim
    else:
        assert good
        assert device.state == "pending"
        assert claim_in(db, "claim.1").key == "ours"
        assert admit(db, asked, 1e9) == device, "the same key asks for the same"
