"""The device's certificate, and the authority of its own that signs it.

The authority may sign names of this device and private addresses only: whoever trusts it trusts it
with nothing else. Both keys lie in the encrypted store, so a restored backup keeps the trust of the
phones. The device's certificate is renewed long before it ends, and when names or addresses change.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import apsw
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge_assistant.frontends.web.addresses import HOUSE_NETWORKS, Names, is_of_house
from edge_assistant.store.database import Database

logger = logging.getLogger(__name__)

RELEASE = datetime(2026, 1, 1, tzinfo=UTC)
"""No right clock says less: a device without a battery may start in 1970."""

AUTHORITY_ENDS = datetime(2049, 12, 31, tzinfo=UTC)
DEVICE_DAYS = 90
RENEW_DAYS = 30
SKEW = timedelta(days=2)
"""How far a phone's clock may be behind ours."""


class Identity(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Certificates:
    """The authority and the certificate that browsers see. `clock` gives UNIX seconds."""

    def __init__(
        self, database: Database, names: Callable[[], Names], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._names = names
        self._clock = clock
        self._authority: Identity | None = None
        self._device: Identity | None = None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """What the server listens with; new connections get the newest certificate."""
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])

    @property
    def authority(self) -> x509.Certificate:
        """What phones install to trust this device; known after `refresh`."""
        assert self._authority is not None
        return self._authority.certificate

    @property
    def device(self) -> x509.Certificate:
        """What browsers see; known after `refresh`."""
        assert self._device is not None
        return self._device.certificate

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the authority's certificate, as colon-separated hexadecimal digits."""
        return self.authority.fingerprint(hashes.SHA256()).hex(":").upper()

    async def refresh(self) -> bool:
        """Load or renew whatever is missing, ends soon or fits no longer; True when it is a new one."""
        names, now = self._names(), max(datetime.fromtimestamp(self._clock(), UTC), RELEASE)
        served = self._device
        if served is None:
            self._authority, self._device = await self._load("authority"), await self._load("device")
        if self._authority is None or not _covers(self._authority.certificate, names):
            if self._authority is not None:
                logger.warning("this device has a name that it had not before: phones must trust it anew")
            self._authority = make_authority(names)
            await self._keep("authority", self._authority)
        if self._device is None or not _fits(self._device, self._authority, names, now):
            self._device = make_device(self._authority, names, now)
            await self._keep("device", self._device)
            logger.info("a new certificate, until %s", self._device.certificate.not_valid_after_utc.date())
        if self._device is served:
            return False
        load_into(self.context, self._device)
        return True

    async def _load(self, name: str) -> Identity | None:
        query = "SELECT certificate, key FROM certificates WHERE name = ?"
        rows: list[Any] = await self._database.read(lambda db: db.execute(query, (name,)).fetchall())
        if not rows:
            return None
        key = serialization.load_der_private_key(rows[0][1], None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return Identity(x509.load_der_x509_certificate(rows[0][0]), key)

    async def _keep(self, name: str, identity: Identity) -> None:
        values = (
            name,
            identity.certificate.public_bytes(serialization.Encoding.DER),
            _key_bytes(identity.key),
        )

        def work(db: apsw.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO certificates(name, certificate, key) VALUES(?, ?, ?)", values)

        await self._database.write(work)


def make_authority(names: Names) -> Identity:
    """Return a new authority that can sign `names` and private addresses, and nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(f"Edge Assistant on {names.hosts[0]}")
    permitted = [*map(x509.DNSName, names.hosts), *map(x509.IPAddress, HOUSE_NETWORKS)]
    usage = x509.KeyUsage(
        key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
    builder = (
        _builder(subject, subject, key.public_key(), RELEASE, AUTHORITY_ENDS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Identity(builder.sign(key, hashes.SHA256()), key)


def make_device(authority: Identity, names: Names, now: datetime) -> Identity:
    """Return a new certificate for `names`, signed by `authority`, for ninety days from `now`."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    alternatives = [
        *map(x509.DNSName, names.hosts),
        *map(x509.IPAddress, map(ipaddress.ip_address, _house(names))),
    ]
    ends = min(now + timedelta(days=DEVICE_DAYS), AUTHORITY_ENDS)
    builder = (
        _builder(_subject(names.hosts[0]), issuer.subject, key.public_key(), min(now, ends) - SKEW, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
    )
    return Identity(builder.sign(authority.key, hashes.SHA256()), key)


def load_into(context: ssl.SSLContext, identity: Identity) -> None:
    """Let `context` present a certificate. The key passes through memory only; ssl wants a file."""
    descriptor = os.memfd_create("edge-assistant-tls", os.MFD_CLOEXEC)
    try:
        os.write(
            descriptor,
            identity.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + identity.certificate.public_bytes(serialization.Encoding.PEM),
        )
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    begins: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _house(names: Names) -> list[str]:
    return [address for address in names.addresses if is_of_house(address)]


def _covers(authority: x509.Certificate, names: Names) -> bool:
    """Return whether the authority may sign all of `names`."""
    permitted = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    allowed = {name.value for name in permitted or () if isinstance(name, x509.DNSName)}
    return set(names.hosts) <= allowed


def _fits(device: Identity, authority: Identity, names: Names, now: datetime) -> bool:
    """Return whether a certificate is good for these names for a while."""
    certificate = device.certificate
    key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    have = {*extension.get_values_for_type(x509.DNSName)}
    have |= {str(address) for address in extension.get_values_for_type(x509.IPAddress)}
    return (
        certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value == key_id
        and {*names.hosts, *_house(names)} <= have
        and certificate.not_valid_before_utc
        <= now
        <= certificate.not_valid_after_utc - timedelta(days=RENEW_DAYS)
    )


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
