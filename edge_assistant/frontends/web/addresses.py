"""Under which names and addresses devices in the house reach this one."""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
from collections.abc import Iterable
from pathlib import Path

import msgspec

logger = logging.getLogger(__name__)

HOUSE_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "100.64.0.0/10"),
        *("fd00::/8", "fe80::/10", "::1/128"),
    )
)
"""Addresses that belong to no one in the internet: RFC 1918, 3927, 4193, 4291, 6598, and loopback."""


class Names(msgspec.Struct, frozen=True):
    """How this device is called; the address that most others can reach comes first."""

    hosts: tuple[str, ...]
    addresses: tuple[str, ...]

    @property
    def all(self) -> frozenset[str]:
        """Names and addresses, as a Host header may have them."""
        return frozenset((*self.hosts, *self.addresses))


def own_names(more: Iterable[str] = ()) -> Names:
    """Return the names of this machine, its addresses in the house now, and those in `more`."""
    hosts, addresses = [host_name(), f"{host_name()}.local", "localhost"], house_addresses()
    for name in more:
        plain = name.strip("[]").lower().rstrip(".")
        (addresses if _is_address(plain) else hosts).append(plain)
    return Names(tuple(dict.fromkeys(hosts)), tuple(dict.fromkeys((*addresses, "127.0.0.1", "::1"))))


def host_name() -> str:
    """Return the first label of the machine's name, in letters that a certificate and mDNS can carry."""
    label = re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().split(".")[0].lower()).strip("-")
    return label[:63] or "edge-assistant"


def house_addresses() -> list[str]:
    """Return this machine's private addresses, IPv4 and the way to the router first, without loopback."""
    import psutil

    router = _router_interface()
    try:
        interfaces = psutil.net_if_addrs()
    except OSError as error:  # a sandbox without AF_NETLINK
        logger.warning("can't see the addresses of this device: %s", error)
        return []
    found = [
        (interface != router, each.family == socket.AF_INET6, each.address.partition("%")[0])
        for interface, addresses in interfaces.items()
        for each in addresses
        if each.family in {socket.AF_INET, socket.AF_INET6}
    ]
    chosen = [text for _, _, text in sorted(found, key=lambda each: each[:2]) if is_of_house(text)]
    return [text for text in chosen if not ipaddress.ip_address(text).is_loopback]


def is_of_house(address: str) -> bool:
    """Return whether an address can only be one in a house."""
    parsed = ipaddress.ip_address(address)
    return any(parsed.version == network.version and parsed in network for network in HOUSE_NETWORKS)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _router_interface() -> str:
    """Return the interface of the default route, from /proc/net/route (proc(5)), or empty."""
    try:
        lines = Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return ""
    return next((words[0] for words in map(str.split, lines) if words[1] == "00000000"), "")
