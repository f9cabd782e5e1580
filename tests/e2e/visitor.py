"""What a phone does that knows nothing but the house: run on another host with CODE; prints JSON.

It looks for the device by mDNS, fetches the authority as the page offers it, and from then on trusts
nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import sys

import aiohttp
from zeroconf import IPVersion, ServiceStateChange
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

SERVICE = "_edge-assistant._tcp.local."


async def find() -> AsyncServiceInfo:
    found: asyncio.Queue[str] = asyncio.Queue()

    def heard(zeroconf, service_type, name, state_change) -> None:
        if state_change is ServiceStateChange.Added:
            found.put_nowait(name)

    async with asyncio.timeout(60), AsyncZeroconf(ip_version=IPVersion.V4Only) as house:
        browser = AsyncServiceBrowser(house.zeroconf, SERVICE, handlers=[heard])
        info = AsyncServiceInfo(SERVICE, await found.get())
        assert await info.async_request(house.zeroconf, 60_000)
        await browser.async_cancel()
        return info


async def visit(code: str) -> dict[str, object]:
    info = await find()
    address, name = info.parsed_addresses()[0], str(info.server).rstrip(".")
    url = f"https://{address}:{info.port}"
    async with aiohttp.ClientSession() as anybody, anybody.get(f"{url}/ca.crt", ssl=False) as response:
        authority = await response.read()
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(cadata=authority)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(ssl=trust), cookie_jar=jar) as phone:
        async with phone.post("/api/signin", json={"code": code, "name": "Visitor"}) as response:
            signed_in = response.status
        async with phone.get("/api/me") as response:
            me = await response.json()
        statuses = {}
        for host in (name, "evil.example", "192.168.99.99"):
            async with phone.get("/api/me", headers={"Host": f"{host}:{info.port}"}) as response:
                statuses[host] = response.status
        async with phone.get("/api/me", server_hostname=name) as response:
            statuses["by its certificate's name"] = response.status
    return {
        "address": address,
        "name": name,
        "announced": info.decoded_properties["ca"],
        "fingerprint": hashlib.sha256(authority).hexdigest().upper(),
        "signed_in": signed_in,
        "user": me.get("user"),
        "statuses": statuses,
    }


print(json.dumps(asyncio.run(visit(sys.argv[1]))))
