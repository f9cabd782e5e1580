"""Which addresses of the network are the world's, and which are somebody's house."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LINK_BITS = 64
"""Of an IPv6 address that name the network."""

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


def is_outside(host: str) -> bool:
    """Return whether `host`, an address as text, is public and in no network that this device stands in.

    With IPv6 every machine of a house has a public address.
    """
    return is_public(host) and not is_neighbour(host, own_addresses())


def is_neighbour(host: str, own: Iterable[tuple[str, str]]) -> bool:
    """Return whether an address lies in one of the networks of `own`, pairs of address and mask."""
    address = ipaddress.ip_address(host.partition("%")[0])
    return any(address in network for each, mask in own if (network := _network(each, mask)) is not None)


def own_addresses() -> list[tuple[str, str]]:
    """Return address and mask of each interface of this device."""
    import psutil

    return [
        (each.address.partition("%")[0], each.netmask)
        for interface in psutil.net_if_addrs().values()
        for each in interface
        if each.family in {socket.AF_INET, socket.AF_INET6} and each.netmask
    ]


def _network(address: str, mask: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return a network; of IPv6 all of it, also where an interface says that it is alone in it."""
    try:
        if ":" not in address:
            return ipaddress.IPv4Network((address, mask), strict=False)
        length = min(int(ipaddress.IPv6Address(mask)).bit_count(), LINK_BITS)
        return ipaddress.IPv6Network((address, length), strict=False)
    except ValueError:
        return None


def _carried(address: _Address) -> list[_Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    carried: list[_Address] = [each for each in (address.ipv4_mapped, address.sixtofour) if each is not None]
    if address in _NAT64 or address.packed[:12] == bytes(12):  # the latter: IPv4-compatible, long obsolete
        carried.append(ipaddress.IPv4Address(address.packed[12:]))
    if address.teredo is not None:
        carried += address.teredo
    return carried
