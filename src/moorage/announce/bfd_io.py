"""FRR's bfdd, alone and for us: sessions in, changes of their state out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from moorage.announce import bfd
from moorage.announce.bfd import BFDPeer, BFDState
from moorage.announce.child_io import Child
from moorage.announce.private_io import PrivateDirectory
from moorage.model.errors import HostError

PROGRAMS = ("/usr/lib/frr/bfdd", "/usr/libexec/frr/bfdd")
START_SECONDS = 5.0
ANSWER_SECONDS = 2.0
_POLL = 0.02

log = structlog.get_logger()


class BFD:
    """Runs bfdd while it has sessions. `told` hears each change of state, and `down` for all of them when bfdd itself ends."""

    def __init__(self, told: Callable[[BFDState], None]) -> None:
        self._told = told
        self._peers: frozenset[BFDPeer] = frozenset()
        self._directory: PrivateDirectory | None = None
        self._child: Child | None = None
        self._listening: asyncio.Task[None] | None = None
        self._lost = False

    @property
    def pid(self) -> int:
        return self._child.pid if self._child else 0

    async def follow(self, peers: Iterable[BFDPeer]) -> None:
        """Makes its sessions these. Raises HostError where there is no bfdd, or it refuses; the next call tries again."""
        wanted = frozenset(peers)
        if self._child is not None and (not wanted or self._lost):
            await self.stop()
        if not wanted:
            return
        if self._child is None:
            await self._start()
        commands = bfd.changes(self._peers, wanted)
        if commands:
            await self._configure(commands)
            self._peers = wanted

    async def stop(self) -> None:
        """Ends bfdd. The peers see the sessions end after their detection time."""
        self._peers = frozenset()
        if self._listening is not None:
            self._listening.cancel()
        if self._child is not None:
            await self._child.stop()
        if self._directory is not None:
            self._directory.close()
        self._listening = self._child = self._directory = None
        self._lost = False

    async def _start(self) -> None:
        program = next((each for each in PROGRAMS if Path(each).exists()), None)
        if program is None:
            raise HostError("BFD needs bfdd of FRRouting: install it (Debian and Ubuntu: apt-get install frr)")
        self._directory = PrivateDirectory("moorage-bfdd-")
        (self._directory.path / "bfdd.conf").touch()
        options = {"-f": "bfdd.conf", "-i": "bfdd.pid", "-z": "zserv.api", "--vty_socket": "", "--bfdctl": "bfdd.sock"}
        paths = (word for name, file in options.items() for word in (name, str(self._directory.path / file)))
        self._child = await Child.start("bfdd", (program, *paths, "-u", "root", "-g", "frrvty"))
        try:
            reader, writer = await self._connect("bfdd.sock")
            await self._connect_and_close("bfdd.vty")
        except HostError:
            await self.stop()
            raise
        writer.write(bfd.subscription())
        self._listening = asyncio.create_task(self._listen(reader, writer), name="bfd")

    async def _connect_and_close(self, name: str) -> None:
        _, writer = await self._connect(name)
        writer.close()

    async def _connect(self, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        assert self._directory is not None
        assert self._child is not None
        end = asyncio.get_running_loop().time() + START_SECONDS
        while True:
            try:
                return await asyncio.open_unix_connection(self._directory.path / name)
            except OSError as error:
                if not self._child.runs or asyncio.get_running_loop().time() > end:
                    raise HostError(f"bfdd did not start: {'; '.join(self._child.last_words) or error.strerror}") from error
            await asyncio.sleep(_POLL)

    async def _configure(self, commands: Iterable[str]) -> None:
        reader, writer = await self._connect("bfdd.vty")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                for each in commands:
                    writer.write(each.encode() + b"\0")
                    said = await reader.readuntil(bfd.VTY_END)
                    status = await reader.readexactly(1)
                    if status != b"\0":
                        words = said.removesuffix(bfd.VTY_END).decode(errors="replace").strip()
                        raise HostError(f"bfdd refuses {each!r}: {words}")
        except (TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise HostError("bfdd does not answer") from error
        finally:
            writer.close()

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until bfdd ends."""
        try:
            while True:
                length, _, kind, _ = bfd.HEADER.unpack(await reader.readexactly(bfd.HEADER.size))
                if length > bfd.MOST_BYTES:
                    raise ValueError(f"a message of {length} bytes")
                state = bfd.read_state(kind, await reader.readexactly(length))
                if state is not None:
                    self._told(state)
        except (asyncio.IncompleteReadError, OSError, ValueError) as error:
            log.error("bfdd is lost", error=str(error), said=self._child.last_words if self._child else "")
        finally:
            writer.close()
        self._lost = True
        peers, self._peers = self._peers, frozenset()
        for each in peers:
            self._told(BFDState(each.address, "down"))
