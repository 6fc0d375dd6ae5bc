"""HQ's own certificate authority for the broker's mutual TLS: P-256, X.509 v3 (RFC 5280).

Boxes carry `STORE.BOX` as DNS name, since NATS takes the user from there; HQ's workers carry `hq`, which no box can.
Certificates are valid since 2010: a mini-PC whose clock battery died must still reach headquarters.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from hq.data import write_private

NOT_BEFORE = dt.datetime(2010, 1, 1, tzinfo=dt.UTC)
AUTHORITY_LIFE = dt.timedelta(days=30 * 365)
SERVER_LIFE = dt.timedelta(days=2 * 365)
CLIENT_LIFE = dt.timedelta(days=10 * 365)
WORKER = "hq"  # the user that HQ's workers have at the broker


@dataclass(frozen=True)
class Identity:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def save(self, folder: Path, name: str) -> None:
        """Writes NAME.key and then NAME.crt, so that a certificate never stands without its key."""
        write_private(folder / f"{name}.key", self.key_pem)
        write_private(folder / f"{name}.crt", self.certificate_pem)


def load(folder: Path, name: str) -> Identity:
    """Reads what `Identity.save` wrote. Raises OSError, ValueError."""
    key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{folder / name}.key is not an elliptic-curve key")
    return Identity(x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes()), key)


def new_authority(now: dt.datetime) -> Identity:
    """A self-signed authority that may sign end certificates only."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder("store-edge headquarters", key.public_key(), now + AUTHORITY_LIFE)
        .issuer_name(_name("store-edge headquarters"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return Identity(builder.sign(key, hashes.SHA256()), key)


def new_server(authority: Identity, names: Sequence[str], now: dt.datetime) -> Identity:
    """A server certificate for host names and addresses."""
    return _leaf(authority, names[0], names, ExtendedKeyUsageOID.SERVER_AUTH, now + SERVER_LIFE)


def new_client(authority: Identity, name: str, now: dt.datetime) -> Identity:
    """A client certificate for the broker's user `name`, STORE.BOX for a box.

    NATS takes the user from the DNS name; Mosquitto from the common name, which is STORE/BOX as in topics.
    """
    subject = name.replace(".", "/", 1)
    return _leaf(authority, subject, [name], ExtendedKeyUsageOID.CLIENT_AUTH, now + CLIENT_LIFE)


def names_of(certificate: x509.Certificate) -> set[str]:
    """The DNS names and addresses a certificate stands for."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}


def _leaf(
    authority: Identity, subject: str, names: Sequence[str], purpose: ObjectIdentifier, until: dt.datetime
) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        _builder(subject, key.public_key(), until)
        .issuer_name(authority.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(issuer, critical=False)
    )
    return Identity(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(subject: str, key: ec.EllipticCurvePublicKey, until: dt.datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
