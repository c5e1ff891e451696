from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from aiohttp import web

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig import Access
from moorage.client.tls_io import tls_context
from moorage.model.cluster import Node
from moorage.model.errors import HostError, UserError
from moorage.model.meta import Key
from tests.client.served import certificate, server


async def _who(request: web.BaseRequest) -> web.StreamResponse:
    """A Node whose name is the common name of the client's certificate."""
    assert request.transport is not None
    peer = request.transport.get_extra_info("peercert")
    return web.json_response({"metadata": {"name": peer["subject"][0][0][1] if peer else "anonymous"}})


def name_seen(server_name: str, directory: Path, access: Access) -> str:
    """Asks a TLS server of that name, as that access (its server is filled in), who it sees."""
    own, key = certificate(directory, server_name)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own, key)
    context.verify_mode = ssl.CERT_OPTIONAL
    client_ca = directory / "client.crt"
    if client_ca.exists():
        context.load_verify_locations(client_ca)

    async def play() -> str:
        async with asyncio.timeout(10), server(_who, context) as url:
            settings = {name: getattr(access, name) for name in access.__struct_fields__}
            async with HttpClient(Access(**{**settings, "server": url})) as client:
                return (await client.get(Node, Key("", "any"))).metadata.name

    return asyncio.run(play())


def test_the_ca_may_be_a_file_or_data(tmp_path: Path) -> None:
    assert name_seen("127.0.0.1", tmp_path, Access(server="", ca_file=str(tmp_path / "127.0.0.1.crt"))) == "anonymous"


def test_a_stranger_is_not_trusted_unless_told_so(tmp_path: Path) -> None:
    other, _ = certificate(tmp_path, "other")
    with pytest.raises(HostError, match=r"the server's certificate is not trusted: .*self-signed"):
        name_seen("127.0.0.1", tmp_path, Access(server="", ca_data=other.read_bytes()))
    assert name_seen("127.0.0.1", tmp_path, Access(server="", insecure=True)) == "anonymous"


def test_the_servers_name_may_be_another_than_its_address(tmp_path: Path) -> None:
    access = Access(server="", ca_file=str(tmp_path / "kubernetes.crt"))
    with pytest.raises(HostError, match="certificate is not trusted"):
        name_seen("kubernetes", tmp_path, access)
    named = Access(server="", ca_file=str(tmp_path / "kubernetes.crt"), tls_server_name="kubernetes")
    assert name_seen("kubernetes", tmp_path, named) == "anonymous"


@pytest.mark.parametrize("as_data", [True, False])
def test_a_client_certificate_says_who_asks(tmp_path: Path, as_data: bool) -> None:
    own, key = certificate(tmp_path, "client")
    if as_data:
        access = Access(server="", insecure=True, certificate_data=own.read_bytes(), key_data=key.read_bytes())
    else:
        access = Access(server="", insecure=True, certificate_file=str(own), key_file=str(key))
    assert name_seen("127.0.0.1", tmp_path, access) == "client"


def test_unusable_certificates_are_the_users_fault(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the CA certificate for https://a cannot be used: "):
        tls_context(Access(server="https://a", ca_data=b"no PEM"))
    with pytest.raises(UserError, match="the client certificate for https://a cannot be used: "):
        tls_context(Access(server="https://a", certificate_data=b"no PEM", key_data=b"no PEM"))
