"""The authority that signs the operator's broker and the fleet's devices, and nothing else."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge_assistant.fleet.certificate import EPOCH, name_of, new_key

ENDS = datetime(2049, 12, 31, tzinfo=UTC)
SKEW = timedelta(hours=2)
"""How far the broker's clock may be behind ours."""


class Authority(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_authority(name: str) -> Authority:
    """Return a new authority; valid from 1970 on, so that a device whose clock was never set can check it."""
    key, subject = new_key(), name_of(name)
    usage = x509.KeyUsage(
        key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(subject, subject, key.public_key(), EPOCH, ENDS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def sign_broker(
    authority: Authority, hosts: Sequence[str]
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return certificate and key of the broker, for names and addresses by which devices know it."""
    key = new_key()
    extension = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
    builder = _builder(
        name_of("Edge Assistant broker"), authority.certificate.subject, key.public_key(), EPOCH, ENDS
    )
    return _signed(
        builder.add_extension(extension, critical=False), authority, ExtendedKeyUsageOID.SERVER_AUTH
    ), key


def sign_device(
    authority: Authority, key: ec.EllipticCurvePublicKey, name: str, now: datetime, lifetime: timedelta
) -> x509.Certificate:
    """Return a device's certificate: its name is who it is at the broker."""
    builder = _builder(
        name_of(name), authority.certificate.subject, key, now - SKEW, min(now + lifetime, ENDS)
    )
    return _signed(builder, authority, ExtendedKeyUsageOID.CLIENT_AUTH)


def has_signed(authority: Authority, certificate: x509.Certificate) -> bool:
    """Return whether a certificate is one of ours."""
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except Exception:  # noqa: BLE001 - of several libraries; whatever it is, it is not ours
        return False
    return True


def _signed(
    builder: x509.CertificateBuilder, authority: Authority, usage: x509.ObjectIdentifier
) -> x509.Certificate:
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


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
