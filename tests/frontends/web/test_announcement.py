"""The name in the house, over real multicast sockets of this machine."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from cryptography import x509
from zeroconf import IPVersion, ServiceStateChange
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from edge_assistant.frontends.web import announcement
from edge_assistant.frontends.web.addresses import Names
from edge_assistant.frontends.web.announcement import SERVICE, Announcement

NAMES = Names(("kitchen-test", "kitchen-test.local"), ("10.7.7.7", "127.0.0.1", "::1"))


class Listener:
    """Somebody in the house who looks for assistants."""

    def __init__(self) -> None:
        self.changes: asyncio.Queue[tuple[ServiceStateChange, str]] = asyncio.Queue()

    def heard(self, zeroconf, service_type, name, state_change) -> None:
        del zeroconf, service_type
        self.changes.put_nowait((state_change, name))

    async def until(self, wanted: ServiceStateChange, part: str) -> str:
        async with asyncio.timeout(60):
            while True:
                change, name = await self.changes.get()
                if change is wanted and part in name:
                    return name


async def test_the_house_finds_the_device_by_its_service_and_hears_its_goodbye():
    listener = Listener()
    async with AsyncZeroconf(ip_version=IPVersion.V4Only) as house:
        browser = AsyncServiceBrowser(house.zeroconf, SERVICE, handlers=[listener.heard])
        device = Announcement("Nabu", 8443, "AB:CD")
        await device.start(NAMES)
        name = await listener.until(ServiceStateChange.Added, "Nabu on kitchen-test")
        info = AsyncServiceInfo(SERVICE, name)
        assert await info.async_request(house.zeroconf, 60_000)
        assert (info.server, info.port) == ("kitchen-test.local.", 8443)
        assert info.parsed_addresses() == ["10.7.7.7"]
        assert info.decoded_properties["ca"] == "AB:CD"
        await device.update(Names(NAMES.hosts, ("10.7.7.8",)))
        await device.stop()
        await listener.until(ServiceStateChange.Removed, "Nabu on kitchen-test")
        await browser.async_cancel()


async def test_two_devices_of_one_name_are_told_apart():
    first, second = Announcement("Nabu", 8443, "A"), Announcement("Nabu", 8444, "B")
    await first.start(NAMES)
    await second.start(NAMES)
    assert first._info.name != second._info.name
    await second.stop()
    await first.stop()


async def test_a_house_without_multicast_is_no_failure(monkeypatch, caplog):
    def refuse(**_):
        raise OSError(19, "No such device")

    monkeypatch.setattr(announcement, "AsyncZeroconf", refuse)
    device = Announcement("Nabu", 8443, "AB:CD")
    await device.start(NAMES)
    await device.update(NAMES)
    await device.stop()
    assert "can't announce" in caplog.text


async def test_the_page_of_the_house_is_announced_when_it_listens_and_not_when_it_should_not(serve):
    site = await serve(lan=True, announce=True, names=NAMES)
    async with asyncio.timeout(60):
        while site.house._announcement is None or site.house._announcement._info is None:
            await asyncio.sleep(0.05)
    assert site.house._announcement._info.port == int(site.house.url.rpartition(":")[2])
    quiet = await serve(lan=True, names=NAMES)
    await asyncio.sleep(0.1)
    assert quiet.house._announcement is None


@pytest.mark.parametrize("module", ["edge_assistant.frontends.web.server", "edge_assistant.app"])
def test_who_announces_nothing_loads_nothing_for_it(module):
    code = f"import {module}, sys; sys.exit('zeroconf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_new_addresses_reach_certificate_and_announcement(serve):
    names = [NAMES]
    site = await serve(lan=True)
    site.house._find_names = lambda: names[0]
    await site.house.look()
    assert site.house.names == NAMES
    names[0] = Names(NAMES.hosts, ("10.7.7.9", "127.0.0.1", "::1"))
    await site.house.look()
    extension = site.house.certificates.device.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert "10.7.7.9" in {str(each) for each in extension.value.get_values_for_type(x509.IPAddress)}
