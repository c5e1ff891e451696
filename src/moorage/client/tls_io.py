"""`Access` -> what a TLS connection to its server needs, made anew when the files that it names change."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path
from typing import NamedTuple

import structlog

from moorage.client.kubeconfig import Access
from moorage.model.errors import HostError, UserError

log = structlog.get_logger()

_Stamp = tuple[int, int, int] | None


class Tls(NamedTuple):
    """Two contexts that trust and show the same: for connections of one request at a time, and one that offers HTTP/2 too."""

    single: ssl.SSLContext
    shared: ssl.SSLContext


class TlsContexts:
    """The newest pair. Connections that stand keep the one that they began with; a watch ends after ten minutes at most.

    Files are looked at for each request (one `stat` each): a kubelet or cert-manager renews them in place.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._files = [each for each in (access.ca_file, access.certificate_file, access.key_file) if each]
        self._made: Tls | None = None
        self._stamps: list[_Stamp] | None = None
        self._shown = (b"", b"")

    def contexts(self, certificate: bytes = b"", key: bytes = b"") -> Tls:
        """With a client certificate (PEM) of a plugin, or the access's own.

        Raises UserError where a certificate or key cannot be used; not for a file that was good before: it is being written.
        """
        stamps = [_stamp(each) for each in self._files]
        if self._made is not None and stamps == self._stamps and (certificate, key) == self._shown:
            return self._made
        try:
            made = Tls(tls_context(self._access, certificate, key), tls_context(self._access, certificate, key))
            made.shared.set_alpn_protocols(["h2", "http/1.1"])
        except UserError as error:
            if self._made is None:
                raise
            if certificate:
                raise HostError(str(error)) from error
            log.warning("changed certificate files cannot be used: the earlier ones are shown", error=str(error))
            made = self._made
        else:
            if self._stamps not in (None, stamps):
                log.info("new certificates are shown from now on", server=self._access.server)
        self._made, self._stamps, self._shown = made, stamps, (certificate, key)
        return made


def tls_context(access: Access, certificate: bytes = b"", key: bytes = b"") -> ssl.SSLContext:
    """Trusts the access's CA alone (the system's where it names none) and shows that client certificate, or else the access's,
    if it has one.

    Raises UserError where a certificate or key cannot be used.
    """
    try:
        context = ssl.create_default_context(
            cafile=access.ca_file if access.ca_file and not access.ca_data else None,
            cadata=access.ca_data.decode("ascii") or None,
        )
    except (OSError, ValueError) as error:
        raise UserError(f"the CA certificate for {access.server} cannot be used: {error}") from error
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate or access.has_certificate:
        _show_certificate(context, access, certificate or access.certificate_data, key or access.key_data)
    return context


def _show_certificate(context: ssl.SSLContext, access: Access, certificate_data: bytes, key_data: bytes) -> None:
    """Python's ssl reads certificates and keys from files only: data is written to a private directory for a moment."""
    with tempfile.TemporaryDirectory(prefix="moorage-") as directory:
        certificate, key = Path(directory, "certificate"), Path(directory, "key")
        if certificate_data:
            certificate.write_bytes(certificate_data)
        if key_data:
            key.write_bytes(key_data)
        try:
            context.load_cert_chain(
                certificate if certificate_data else access.certificate_file,
                key if key_data else access.key_file,
            )
        except (OSError, ValueError) as error:
            raise UserError(f"the client certificate for {access.server} cannot be used: {error}") from error


def _stamp(file: str) -> _Stamp:
    """Differs when the file was written anew; a kubelet changes mounted files by a symbolic link to another directory."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
