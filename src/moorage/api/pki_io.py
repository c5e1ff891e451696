"""A certificate authority of our own and the server's certificate: made once in a directory, then kept.

The server's certificate is made again, from the same authority, when it does not name all that it should or ends soon;
clients that trust the authority do not notice.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from moorage.api.files_io import write_private
from moorage.model.errors import HostError
from moorage.model.net import parse_address

LIFE = datetime.timedelta(days=3650)
RENEW_BEFORE = datetime.timedelta(days=90)

_BACKDATED = datetime.timedelta(hours=1)
"""Clients whose clock is a little behind accept a new certificate too."""


class Pki(msgspec.Struct, frozen=True):
    """PEM files. `ca_certificate` is what clients trust."""

    ca_certificate: Path
    ca_key: Path
    certificate: Path
    key: Path


def ensure_pki(directory: Path, sans: Iterable[str]) -> Pki:
    """`sans` are names and addresses under which the server is reached. Raises HostError where files cannot be used."""
    pki = Pki(directory / "ca.crt", directory / "ca.key", directory / "server.crt", directory / "server.key")
    wanted = set(map(_general_name, sans))
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        if not pki.ca_certificate.exists():
            _make_authority(pki)
        if not (pki.certificate.exists() and pki.key.exists() and _is_good(pki, wanted)):
            _make_certificate(pki, wanted)
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise HostError(f"certificates in {directory}: {error}") from error
    return pki


def _general_name(text: str) -> x509.GeneralName:
    address = parse_address(text)
    return x509.IPAddress(ipaddress.ip_address(address)) if address else x509.DNSName(text)


def _is_good(pki: Pki, wanted: set[x509.GeneralName]) -> bool:
    certificate = x509.load_pem_x509_certificate(pki.certificate.read_bytes())
    authority = x509.load_pem_x509_certificate(pki.ca_certificate.read_bytes())
    named = set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    lasts = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC) > RENEW_BEFORE
    key = serialization.load_pem_private_key(pki.key.read_bytes(), None)
    ours = certificate.issuer == authority.subject and certificate.public_key() == key.public_key()
    return lasts and ours and wanted <= named


def _make_authority(pki: Pki) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "moorage-ca")])
    builder = (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    write_private(pki.ca_key, _key_pem(key))
    write_private(pki.ca_certificate, _pem(builder.sign(key, hashes.SHA256())))


def _make_certificate(pki: Pki, names: set[x509.GeneralName]) -> None:
    authority = x509.load_pem_x509_certificate(pki.ca_certificate.read_bytes())
    authority_key = serialization.load_pem_private_key(pki.ca_key.read_bytes(), None)
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{pki.ca_key} holds no elliptic-curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "moorage-server")])
    builder = (
        _builder(subject, authority.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(sorted(names, key=repr)), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    write_private(pki.key, _key_pem(key))
    write_private(pki.certificate, _pem(builder.sign(authority_key, hashes.SHA256())))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
