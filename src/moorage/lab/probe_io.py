"""Runs one probe: HTTP and TCP from the node's namespace, commands inside the container. Outcomes are worded as kubelet's."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path

import msgspec

from moorage.lab.launch import Entry
from moorage.lab.netns_io import socket_in
from moorage.lab.processes_io import LaunchError, Wish, spawn
from moorage.model.errors import HostError
from moorage.model.pods import Container, HTTPGetAction, Probe

_MAX_BODY = 10 << 10
_MAX_OUTPUT = 1 << 10


class Outcome(msgspec.Struct, frozen=True):
    """`message` says what was wrong, empty after a success."""

    success: bool
    message: str = ""


class Target(msgspec.Struct, frozen=True):
    """Whom to probe. `node_namespace` is where HTTP and TCP probes come from; `entry` joins the container, for commands, which
    get `environment` and write to the file `output`.
    """

    container: Container
    address: str
    node_namespace: str
    entry: Entry
    environment: Mapping[str, str]
    output: str


async def attempt(probe: Probe, target: Target) -> Outcome:
    """One attempt, within the probe's timeout."""
    limit = float(probe.timeout_seconds or 1)
    if probe.exec is not None:
        return await _run(probe.exec.command, target, limit)
    if probe.http_get is not None:
        port = port_number(target.container, probe.http_get.port)
        return await _http(probe.http_get, target, port, limit)
    if probe.tcp_socket is not None:
        port = port_number(target.container, probe.tcp_socket.port)
        return await _tcp(probe.tcp_socket.host or target.address, target.node_namespace, port, limit)
    return Outcome(False, "the lab runs httpGet, tcpSocket and exec probes, and this is none of them")


def port_number(container: Container, port: int | str) -> int:
    """A number, or the container port of that name; 0 where there is none."""
    if isinstance(port, str) and not port.isdecimal():
        return next((each.container_port for each in container.ports if each.name == port), 0)
    return int(port)


async def _connect(namespace: str, host: str, port: int) -> socket.socket:
    """A connection from that namespace. Raises OSError."""
    if not 0 < port < 65536:
        raise OSError("couldn't find the port")
    connection = socket_in(namespace)
    try:
        await asyncio.get_running_loop().sock_connect(connection, (host, port))
    except BaseException:
        connection.close()
        raise
    return connection


async def _tcp(host: str, namespace: str, port: int, limit: float) -> Outcome:
    where = f"dial tcp {host}:{port}"
    try:
        async with asyncio.timeout(limit):
            connection = await _connect(namespace, host, port)
    except TimeoutError:
        return Outcome(False, f"{where}: i/o timeout")
    except (OSError, HostError) as error:
        return Outcome(False, f"{where}: {_words(error)}")
    connection.close()
    return Outcome(True)


async def _http(action: HTTPGetAction, target: Target, port: int, limit: float) -> Outcome:
    host = action.host or target.address
    scheme = (action.scheme or "HTTP").lower()
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    where = f'Get "{scheme}://{host}:{port}{path}"'
    try:
        async with asyncio.timeout(limit):
            connection = await _connect(target.node_namespace, host, port)
            return await _request(connection, _head(action, f"{host}:{port}", path), scheme == "https")
    except TimeoutError:
        return Outcome(False, f"{where}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
    except (OSError, HostError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        return Outcome(False, f"{where}: {_words(error)}")


def _head(action: HTTPGetAction, host: str, path: str) -> bytes:
    headers = {"Host": host, "User-Agent": "kube-probe/1.36", "Accept": "*/*"}
    headers |= {str(each.get("name", "")): str(each.get("value", "")) for each in action.http_headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode()


async def _request(connection: socket.socket, head: bytes, encrypted: bool) -> Outcome:
    """Raises OSError, IncompleteReadError, or ValueError for what is no HTTP. Certificates are not checked, as upstream."""
    context = None
    if encrypted:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(sock=connection, ssl=context, server_hostname="" if encrypted else None)
    try:
        writer.write(head)
        status = (await reader.readuntil(b"\r\n")).split()
        await reader.read(_MAX_BODY)
    finally:
        writer.close()
    code = int(status[1]) if len(status) > 1 else 0
    return Outcome(True) if 200 <= code < 400 else Outcome(False, f"HTTP probe failed with statuscode: {code}")


def _words(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connect: connection refused"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or "no answer"


async def _run(command: tuple[str, ...], target: Target, limit: float) -> Outcome:
    """A command in the container: exit status 0 is a success; its output explains a failure."""
    Path(target.output).unlink(missing_ok=True)
    wish = Wish(entry=target.entry, command=command, environment=target.environment, log=target.output)
    try:
        process = await spawn(wish)
    except LaunchError as error:
        return Outcome(False, str(error))
    try:
        async with asyncio.timeout(limit):
            code = await process.wait()
    except TimeoutError:
        return Outcome(False, f'command timed out: "{" ".join(command)}" timed out after {limit:g}s')
    finally:
        process.kill()
    text = Path(target.output).read_bytes()[:_MAX_OUTPUT].decode(errors="replace").strip()
    return Outcome(True) if code == 0 else Outcome(False, text or f"command exited with status {code}")
