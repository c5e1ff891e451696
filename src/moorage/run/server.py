"""The API server: SQLite, the meaning of the verbs, and HTTPS in front of them.

store -> registry -> bootstrap -> API on TLS sockets
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import socket
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from pathlib import Path

import msgspec
import structlog

from moorage.api.app import make_app
from moorage.api.auth import FirstOf, TokenAuthenticator, User
from moorage.api.files_io import write_private
from moorage.api.pki_io import Pki, ensure_client, ensure_pki
from moorage.api.serve_io import serve
from moorage.api.service_account_tokens import ServiceAccountAuthenticator
from moorage.api.tokens_io import ensure_signer, ensure_tokens
from moorage.model.errors import HostError, UserError
from moorage.registry.resources import Registry
from moorage.registry.settings import RegistrySettings
from moorage.run.bootstrap import api_service_address, bootstrap
from moorage.run.event_expiry import expire_events
from moorage.run.identities import certified
from moorage.run.kubeconfig import by_certificate, by_token, render_kubeconfig
from moorage.store.disk_io import open_store

log = structlog.get_logger()

_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
_ADDRESSES = ("127.0.0.1", "::1")


class KubeconfigTarget(msgspec.Struct, frozen=True):
    """A kubeconfig to write. `user` is a word of `identities` or a user of the token file; an empty `server` means the first
    address served.
    """

    user: str
    server: str
    path: str


class ServerSettings(msgspec.Struct, frozen=True):
    """`listen` holds HOST:PORT pairs, `listen_fds` inherited sockets that listen already; both are served.

    `advertise` is the HOST:PORT that Pods reach through the Service default/kubernetes, the first address served when empty.
    `service_cidr` may hold a secondary range of the other family after a comma; `sans` are further names and addresses for the
    certificate.
    """

    data_dir: str
    listen: tuple[str, ...] = ("127.0.0.1:6443",)
    listen_fds: tuple[int, ...] = ()
    advertise: str = ""
    service_cidr: str = "10.96.0.0/16"
    node_port_range: tuple[int, int] = (30000, 32767)
    sans: tuple[str, ...] = ()
    kubeconfigs: tuple[KubeconfigTarget, ...] = ()


YOUNG_OBJECTS = 50_000
"""Container objects made between two looks of the cyclic garbage collector (CPython: 700). A body of 50 endpoints is 250 of
them, none in a cycle; at the default every third request pays for a look, and each full look walks the whole store.
"""


async def run_server(settings: ServerSettings) -> None:
    """Serves until cancelled; a kubeconfig appears when what it points to can be used. Raises HostError and UserError."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
    registry_settings = _registry_settings(settings)
    with contextlib.ExitStack() as listening:
        sockets = _open_sockets(settings)
        for each in sockets:
            listening.enter_context(each)
        await _serve(settings, registry_settings, sockets)


async def _serve(settings: ServerSettings, registry_settings: RegistrySettings, sockets: Sequence[socket.socket]) -> None:
    directory = Path(settings.data_dir)
    first = _address(sockets[0])
    host, port = _split(settings.advertise) if settings.advertise else first
    pki = ensure_pki(directory / "pki", _names(settings, host, sockets))
    users = ensure_tokens(directory)
    store = await open_store(directory / "moorage.db")
    try:
        signer = ensure_signer(directory / "pki", pki.ca_certificate.read_text())
        registry_settings = msgspec.structs.replace(registry_settings, tokens=signer)
        registry = Registry(store, registry_settings, time.time, random.Random())  # noqa: S311  uids and names are no secrets
        await registry.record_addresses()
        await bootstrap(registry, settings.service_cidr, host, port)
        accounts = ServiceAccountAuthenticator(signer, registry, time.time)
        checks = {"store": lambda: store.failure}
        app = make_app(registry, FirstOf((TokenAuthenticator(users), accounts)), time.time, checks=checks)
        _write_kubeconfigs(settings, _url(first), pki, users)
        log.info("serving", addresses=[_url(_address(each)) for each in sockets], revision=store.revision)
        async with _beside(expire_events(registry, time.time)):
            await serve(app, sockets, pki.certificate, pki.key, pki.client_ca_certificate)
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Does something that never ends for as long as the block runs."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _registry_settings(settings: ServerSettings) -> RegistrySettings:
    found = RegistrySettings(settings.service_cidr, settings.node_port_range)
    try:
        found.addresses()
    except ValueError as error:
        raise UserError(f"service range: {error}") from error
    return found


def _open_sockets(settings: ServerSettings) -> list[socket.socket]:
    """Listening sockets, the inherited ones last. Connections queue up in them until they are served."""
    sockets = []
    for each in settings.listen:
        host, port = _split(each)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            sockets.append(socket.create_server((host, port), family=family, backlog=1024))
        except OSError as error:
            raise HostError(f"cannot listen at {each}: {error}") from error
    for number in settings.listen_fds:
        try:
            sockets.append(socket.socket(fileno=number))
        except OSError as error:
            raise HostError(f"file descriptor {number} is no socket: {error}") from error
    if not sockets:
        raise UserError("nothing to listen at: give an address or an inherited socket")
    return sockets


def _split(text: str) -> tuple[str, int]:
    """HOST:PORT, the host of IPv6 in brackets."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UserError(f"{text!r} is no HOST:PORT")
    return host.strip("[]"), int(port)


def _address(listening: socket.socket) -> tuple[str, int]:
    host, port, *_ = listening.getsockname()
    return host, port


def _url(address: tuple[str, int]) -> str:
    host, port = address
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _names(settings: ServerSettings, advertised: str, sockets: Sequence[socket.socket]) -> list[str]:
    """Everything the server may be called by its clients."""
    served = [host for host, _ in map(_address, sockets) if host not in ("0.0.0.0", "::")]
    service = api_service_address(settings.service_cidr)
    return list(dict.fromkeys([*_NAMES, *_ADDRESSES, service, advertised, *served, *settings.sans]))


def _write_kubeconfigs(settings: ServerSettings, served: str, pki: Pki, users: Mapping[str, User]) -> None:
    ca = pki.ca_certificate.read_bytes()
    for target in settings.kubeconfigs:
        text = render_kubeconfig(target.server or served, ca, target.user, _credential(target.user, pki, users))
        try:
            path = Path(target.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private(path, text.encode())
        except OSError as error:
            raise HostError(f"kubeconfig {target.path}: {error}") from error


def _credential(word: str, pki: Pki, users: Mapping[str, User]) -> Mapping[str, str]:
    """The system's own parts show certificates, the users of the token file their tokens."""
    user = certified(word)
    if user is not None:
        return by_certificate(ensure_client(pki, user))
    tokens = {user.name: token for token, user in users.items()}
    if word not in tokens:
        known = ", ".join(sorted({"admin", *tokens}))
        raise UserError(f"there is no user {word!r}: there are {known}, controller, node:NAME and edge:NAME")
    return by_token(tokens[word])
