"""How devices come in, over a real Mosquitto with TLS and its dynamic-security plugin."""

from __future__ import annotations

from tests.fleet.fleet import Gadget, a_token, until


async def state_of(registrar, name):
    devices = {device.name: device.state for device in await registrar.book.devices()}
    return devices.get(name)


async def test_a_device_enrols_with_a_claim_once_the_operator_approves_and_reports_with_its_certificate(
    ground, registrar
):
    gadget = Gadget(ground, "kitchen", await a_token(registrar))
    async with gadget.running():
        await until(lambda: is_pending(registrar, "kitchen"))
        assert gadget.keeper.load() is None
        await registrar.approve("kitchen")

        async def enrolled():
            device = await registrar.book.device("kitchen")
            return device.state == "enrolled" and device.online and device.reported

        await until(enrolled)
    identity = gadget.keeper.load()
    assert identity is not None
    assert identity.name == "kitchen"
    assert (gadget.keeper.folder / "key.pem").stat().st_mode & 0o077 == 0
    users = await registrar.door.rights.users()
    assert users == {"kitchen", "recovery.kitchen"}, "the claim has done its work"


async def is_pending(registrar, name):
    return await state_of(registrar, name) == "pending"
