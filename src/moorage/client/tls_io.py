"""`Access` -> what a TLS connection to its server needs."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from moorage.client.kubeconfig import Access
from moorage.model.errors import UserError


def tls_context(access: Access) -> ssl.SSLContext:
    """Trusts the access's CA alone (the system's where it names none) and shows its client certificate, if it has one.

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
    if access.certificate_data or access.certificate_file:
        _show_certificate(context, access)
    return context


def _show_certificate(context: ssl.SSLContext, access: Access) -> None:
    """Python's ssl reads certificates and keys from files only: data is written to a private directory for a moment."""
    with tempfile.TemporaryDirectory(prefix="moorage-") as directory:
        certificate, key = Path(directory, "certificate"), Path(directory, "key")
        if access.certificate_data:
            certificate.write_bytes(access.certificate_data)
        if access.key_data:
            key.write_bytes(access.key_data)
        try:
            context.load_cert_chain(
                certificate if access.certificate_data else access.certificate_file,
                key if access.key_data else access.key_file,
            )
        except (OSError, ValueError) as error:
            raise UserError(f"the client certificate for {access.server} cannot be used: {error}") from error
