"""An API server that is there no more and says nothing: no packet of it arrives, none is refused."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from moorage.client import http2
from moorage.client.http_io import HttpClient
from moorage.client.socket_io import AddressInfo, plain
from moorage.model.errors import HostError
from moorage.model.net import Family
from tests.client.terminated import Place, named, play, terminator
from tests.kernel.needs import needs_root
from tests.kernel.topology import NODE, Topology

pytestmark = [
    pytest.mark.kernel,
    needs_root,
    pytest.mark.skipif(shutil.which("haproxy") is None, reason="needs haproxy: run scripts/system-packages"),
]


def nft(topology: Topology, command: str) -> None:
    subprocess.run(["ip", "netns", "exec", topology.node.name, "nft", command], check=True)


def test_watches_of_a_server_whose_packets_are_lost_end(
    topology: Topology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By HTTP/2's PING, long before TCP gives up (25 s)."""
    monkeypatch.setattr(http2, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(http2, "ANSWER_SECONDS", 1.5)

    def listen() -> socket.socket:
        return topology.node.run(lambda: socket.create_server((str(NODE[Family.IPV4]), 0)))

    def far(info: AddressInfo) -> socket.socket:
        return topology.client.run(lambda: plain(info))

    async def story(place: Place) -> None:
        access = replace(place.access, tls_server_name="127.0.0.1")
        async with (
            terminator(tmp_path, place.listening, place.server) as haproxy,
            HttpClient(access, socket_factory=far) as client,
        ):
            watches = await place.watches(client, 3)
            await place.write("web")
            assert [await named(each) for each in watches] == ["web"] * 3
            assert await haproxy.connections() == 1
            nft(topology, "add table inet dark")
            nft(topology, "add chain inet dark in { type filter hook input priority 0; policy drop; }")
            since = time.monotonic()
            try:
                for each in watches:
                    with pytest.raises(HostError, match="the server does not answer any more"):
                        await named(each)
            finally:
                nft(topology, "delete table inet dark")
            assert time.monotonic() - since < 10

    play(tmp_path, story, open_=listen)
