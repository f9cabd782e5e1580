"""Which addresses of the network are the world's, and which are somebody's house."""

from __future__ import annotations

import ipaddress

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(host: str) -> bool:
    """Return whether the address `host`, as text, is a public one; a name or nonsense is not.

    An IPv6 address that carries an IPv4 one is as public as that (RFC 4291, 3056, 4380, 6052).
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return all(each.is_global and not each.is_multicast for each in (address, *_carried(address)))


def _carried(address: _Address) -> list[_Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    carried: list[_Address] = [each for each in (address.ipv4_mapped, address.sixtofour) if each is not None]
    if address in _NAT64 or address.packed[:12] == bytes(12):  # the latter: IPv4-compatible, long obsolete
        carried.append(ipaddress.IPv4Address(address.packed[12:]))
    if address.teredo is not None:
        carried += address.teredo
    return carried
