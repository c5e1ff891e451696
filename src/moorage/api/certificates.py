"""Keys and certificates as values: an authority signs certificates of servers and of users. All keys are P-256."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable, Sequence

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from moorage.model.net import parse_address

BACKDATED = datetime.timedelta(hours=1)
"""Clients whose clock is a little behind accept a new certificate too."""


class Pair(msgspec.Struct, frozen=True):
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Pair()"


class Life(msgspec.Struct, frozen=True):
    """A certificate made at `now` lasts for `length`."""

    now: datetime.datetime
    length: datetime.timedelta


def make_authority(name: str, life: Life) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, subject, key.public_key(), life)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return _pair(builder.sign(key, hashes.SHA256()), key)


def make_server(authority: Pair, sans: Iterable[str], life: Life) -> Pair:
    """For a server that is reached under these names and addresses. Raises ValueError where the authority is no such thing."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "moorage-server")])
    names = x509.SubjectAlternativeName(sorted(map(general_name, sans), key=repr))
    return _signed(authority, subject, life, ExtendedKeyUsageOID.SERVER_AUTH, names)


def make_client(authority: Pair, user: str, groups: Sequence[str], life: Life) -> Pair:
    """For a user: CN is the name, each O a group, as Kubernetes reads them. Raises ValueError."""
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in groups]
    subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, user)])
    return _signed(authority, subject, life, ExtendedKeyUsageOID.CLIENT_AUTH, None)


def general_name(text: str) -> x509.GeneralName:
    address = parse_address(text)
    return x509.IPAddress(ipaddress.ip_address(address)) if address else x509.DNSName(text)


def lasts(pair: Pair, until: datetime.datetime) -> bool:
    """Raises ValueError where that is no certificate."""
    return x509.load_pem_x509_certificate(pair.certificate).not_valid_after_utc > until


def fits(pair: Pair, authority: Pair) -> bool:
    """Whether the authority signed the certificate, and the key belongs to it. Raises ValueError."""
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate))
    except (InvalidSignature, TypeError, ValueError):
        return False
    return certificate.public_key() == load_key(pair.key).public_key()


def names_all(pair: Pair, sans: Iterable[str]) -> bool:
    """Whether a server's certificate covers these names. Raises ValueError and x509.ExtensionNotFound."""
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    named = set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    return set(map(general_name, sans)) <= named


def subject_of(pair: Pair) -> tuple[str, tuple[str, ...]]:
    """The user and the groups that a client's certificate names. Raises ValueError."""
    subject = x509.load_pem_x509_certificate(pair.certificate).subject
    names = [str(each.value) for each in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(each.value) for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return names[-1] if names else "", tuple(groups)


def load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("a key that is no elliptic-curve key")
    return key


def _signed(
    authority: Pair,
    subject: x509.Name,
    life: Life,
    purpose: x509.ObjectIdentifier,
    names: x509.SubjectAlternativeName | None,
) -> Pair:
    issuer, issuer_key = x509.load_pem_x509_certificate(authority.certificate), load_key(authority.key)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(subject, issuer.subject, key.public_key(), life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return _pair(builder.sign(issuer_key, hashes.SHA256()), key)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: Life) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(life.now - BACKDATED)
        .not_valid_after(life.now + life.length)
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


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
