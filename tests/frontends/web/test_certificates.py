from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edge_assistant.frontends.web.addresses import Names, house_addresses, is_of_house, own_names
from edge_assistant.frontends.web.certificates import (
    DEVICE_DAYS,
    RELEASE,
    RENEW_DAYS,
    Certificates,
    Identity,
    load_into,
    make_authority,
    make_device,
)
from edge_assistant.frontends.web.lan import reachable

NAMES = Names(("kitchen", "kitchen.local", "localhost"), ("192.168.1.20", "127.0.0.1", "::1"))
DAY = 86_400


@pytest.fixture
def clock():
    """The real time: OpenSSL knows no other."""

    class Clock:
        def __init__(self) -> None:
            self.now = datetime.now(UTC).timestamp()

        def __call__(self) -> float:
            return self.now

    return Clock()


@pytest.fixture
async def certificates(database, clock) -> Certificates:
    made = Certificates(database, lambda: NAMES, clock=clock)
    await made.refresh()
    return made


@pytest.fixture
async def listen() -> AsyncIterator[Callable]:
    servers = []

    async def start(context: ssl.SSLContext) -> int:
        servers.append(await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context))
        return servers[-1].sockets[0].getsockname()[1]

    yield start
    for server in servers:
        server.close()


def trusting(authority: x509.Certificate) -> ssl.SSLContext:
    """A client that trusts this authority and nobody else, as a phone does after installing it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.public_bytes(Encoding.PEM).decode())
    return context


async def handshake(port: int, context: ssl.SSLContext, name: str) -> str:
    """Return empty when the client is content, else why it is not."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    except ssl.SSLError as error:
        return str(getattr(error, "verify_message", "") or error.reason)
    writer.close()
    return ""


async def test_whoever_installs_the_authority_trusts_this_device_by_each_of_its_names(certificates, listen):
    port = await listen(certificates.context)
    for name in ("kitchen", "kitchen.local", "localhost", "192.168.1.20", "127.0.0.1", "::1"):
        assert await handshake(port, trusting(certificates.authority), name) == "", name
    assert "mismatch" in await handshake(port, trusting(certificates.authority), "cellar.local")
    assert await handshake(port, ssl.create_default_context(), "kitchen.local") != ""


@pytest.mark.parametrize("name", ["bank.example", "evil-kitchen.local", "local", "93.184.216.34"])
async def test_the_authority_can_sign_no_name_but_its_own(certificates, listen, name):
    address = name[0].isdigit()
    stolen = Names(() if address else (name,), (name,) if address else ())
    certificate = _make_foreign(certificates._authority, stolen)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_into(context, certificate)
    assert "permitted subtree violation" in await handshake(
        await listen(context), trusting(certificates.authority), name
    )


def _make_foreign(authority: Identity, names: Names) -> Identity:
    """What somebody with the authority's key would sign."""
    import ipaddress

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    alternatives = [*map(x509.DNSName, names.hosts)]
    alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in names.addresses]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=True)
        .sign(authority.key, hashes.SHA256())
    )
    return Identity(certificate, key)


async def test_trust_survives_a_restart(database, clock, certificates):
    again = Certificates(database, lambda: NAMES, clock=clock)
    assert await again.refresh()
    assert again.fingerprint == certificates.fingerprint
    assert again.device == certificates.device
    assert not await again.refresh()


async def test_an_expired_certificate_is_renewed_under_the_same_authority(
    database, clock, certificates, listen
):
    old = make_device(certificates._authority, NAMES, datetime.now(UTC) - timedelta(days=DEVICE_DAYS + 1))
    await certificates._keep("device", old)
    again = Certificates(database, lambda: NAMES, clock=clock)
    load_into(again.context, old)
    port = await listen(again.context)
    phone = trusting(certificates.authority)
    assert "expired" in await handshake(port, phone, "kitchen.local")
    await again.refresh()
    assert await handshake(port, phone, "kitchen.local") == "", "without listening anew"


async def test_the_certificate_is_renewed_a_month_before_it_ends(clock, certificates):
    first = certificates.device
    clock.now += (DEVICE_DAYS - RENEW_DAYS - 1) * DAY
    assert not await certificates.refresh()
    clock.now += 2 * DAY
    assert await certificates.refresh()
    assert certificates.device.not_valid_after_utc > first.not_valid_after_utc


async def test_a_new_address_gets_a_new_certificate_and_needs_no_new_trust(database, clock):
    names = [NAMES]
    certificates = Certificates(database, lambda: names[0], clock=clock)
    await certificates.refresh()
    before = certificates.fingerprint
    names[0] = Names(NAMES.hosts, ("10.0.0.7", "127.0.0.1", "::1"))
    assert await certificates.refresh()
    assert certificates.fingerprint == before


async def test_a_new_name_needs_new_trust(database, clock, caplog):
    names = [NAMES]
    certificates = Certificates(database, lambda: names[0], clock=clock)
    await certificates.refresh()
    before = certificates.fingerprint
    names[0] = Names(("cellar", "cellar.local", "localhost"), NAMES.addresses)
    assert await certificates.refresh()
    assert certificates.fingerprint != before
    assert "trust it anew" in caplog.text


@pytest.mark.parametrize("wrong", [0.0, 4_102_444_800.0], ids=["1970", "2100"])
async def test_a_wrong_clock_at_the_first_start_mends_itself_and_costs_no_trust(
    database, clock, listen, wrong
):
    right, clock.now = clock.now, wrong
    certificates = Certificates(database, lambda: NAMES, clock=clock)
    await certificates.refresh()
    phone = trusting(certificates.authority)
    port = await listen(certificates.context)
    clock.now = right
    await certificates.refresh()
    assert await handshake(port, phone, "kitchen.local") == ""


async def test_a_phone_whose_clock_is_a_day_behind_is_served(certificates):
    assert certificates.device.not_valid_before_utc < datetime.now(UTC) - timedelta(days=1)
    assert certificates.authority.not_valid_before_utc == RELEASE


async def test_keys_never_lie_open_on_the_disk(certificates, tmp_path):
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"PRIVATE KEY" not in path.read_bytes()
            assert certificates._authority.certificate.public_bytes(Encoding.DER) not in path.read_bytes()


def test_an_authority_is_no_server_and_a_device_is_no_authority():
    authority = make_authority(NAMES)
    device = make_device(authority, NAMES, RELEASE)
    for certificate, is_authority in ((authority.certificate, True), (device.certificate, False)):
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        assert constraints.ca is is_authority
    usage = device.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]


@pytest.mark.parametrize(
    ("host", "addresses", "found"),
    [
        ("0.0.0.0", ("fd00::2", "10.0.0.7", "127.0.0.1", "::1"), "10.0.0.7"),
        ("::", ("fd00::2", "10.0.0.7", "127.0.0.1", "::1"), "fd00::2"),
        ("0.0.0.0", ("fd00::2", "127.0.0.1", "::1"), "kitchen.local"),
        ("192.168.1.20", ("10.0.0.7",), "192.168.1.20"),
    ],
)
def test_phones_are_sent_to_an_address_that_is_listened_on(host, addresses, found):
    assert reachable(host, Names(NAMES.hosts, addresses)) == found


def test_own_names_hold_what_was_configured_and_only_private_addresses():
    names = own_names(["Chat.Home.", "[fd00::5]", "93.184.216.34"])
    assert {"localhost", "chat.home"} <= set(names.hosts)
    assert {"fd00::5", "127.0.0.1", "::1"} <= set(names.addresses)
    assert all(is_of_house(each) for each in house_addresses())
    assert not is_of_house("93.184.216.34")
    assert not is_of_house("2001:db8::1")
