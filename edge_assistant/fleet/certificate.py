"""Keys, requests and certificates of devices, as both sides use them."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_assistant.errors import EdgeError

RELEASE = datetime(2026, 1, 1, tzinfo=UTC)
"""No right clock says less: a device without a battery may start in 1970."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Authority and broker are valid from here on, for devices whose clock was never set."""


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a key for TLS."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a key as it lies in a file that only its owner reads."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the key in a file; raises `ValueError`."""
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not an elliptic curve key")  # noqa: TRY004 - a file's fault
    return key


def fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    """Return SHA-256 of a public key, as hexadecimal digits."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(
        key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return digest.finalize().hex()


def public_pem(key: object) -> str:
    """Return a public key as text; empty when it is of another kind."""
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return ""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()


def read_public(text: str) -> ec.EllipticCurvePublicKey:
    """Return a key that `public_pem` wrote."""
    key = serialization.load_pem_public_key(text.encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def make_request(key: ec.EllipticCurvePrivateKey) -> str:
    """Return a signing request; the name in it says nothing, the registrar gives one."""
    subject = name_of("device")
    return pem(x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256()))


def read_request(text: str) -> ec.EllipticCurvePublicKey:
    """Return the key that made a request; raises `EdgeError` FLEET_REQUEST_BAD."""
    try:
        request = x509.load_pem_x509_csr(text.encode())
        key = request.public_key()
        proven = request.is_signature_valid
    except (ValueError, UnicodeError, UnsupportedAlgorithm, InvalidSignature):
        raise _bad() from None
    if not proven or not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise _bad()
    return key


def read_certificate(text: str) -> x509.Certificate:
    """Return the certificate in a PEM; raises `EdgeError` FLEET_CERTIFICATE_BAD."""
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except (ValueError, UnicodeError, UnsupportedAlgorithm):
        raise EdgeError("FLEET_CERTIFICATE_BAD", "this is no certificate of a device") from None


def key_of(certificate: x509.Certificate) -> str:
    """Return the fingerprint of a certificate's key; empty when it is of another kind."""
    key = certificate.public_key()
    return fingerprint(key) if isinstance(key, ec.EllipticCurvePublicKey) else ""


def common_name(certificate: x509.Certificate) -> str:
    """Return whom a certificate names."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def name_of(text: str) -> x509.Name:
    """Return a subject."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(what: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """Return it as text."""
    return what.public_bytes(serialization.Encoding.PEM).decode()


def _bad() -> EdgeError:
    return EdgeError("FLEET_REQUEST_BAD", "the signing request is damaged or of a kind that is not taken")
