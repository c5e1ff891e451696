"""Named network namespaces under /run/netns, as `ip netns` keeps them, and sockets that live in one.

A network namespace belongs to a thread; entering one lasts for the time of a `with` block without an `await` in it.
Python has `os.setns` from 3.12 on only, so the system calls go through ctypes. Source: setns(2), namespaces(7).
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from moorage.model.errors import HostError

DIRECTORY = Path("/run/netns")

CLONE_NEWNET = 0x40000000
CLONE_NEWPID = 0x20000000
_MS_BIND, _MS_REC, _MS_SHARED, _MNT_DETACH = 4096, 16384, 1 << 20, 2

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise HostError(f"{what}: {os.strerror(code)}")


def path(name: str) -> Path:
    return DIRECTORY / name


def exists(name: str) -> bool:
    return path(name).exists()


def names() -> list[str]:
    """All named namespaces of this machine, sorted."""
    return sorted(each.name for each in DIRECTORY.iterdir()) if DIRECTORY.is_dir() else []


def create(name: str) -> None:
    """Makes an empty namespace with that name. Raises HostError where it exists or the kernel refuses."""
    _prepare_directory()
    target = path(name)
    try:
        target.touch(mode=0o444, exist_ok=False)
    except FileExistsError as error:
        raise HostError(f"the network namespace {name} exists already") from error
    try:
        with _returning():
            _check(_libc.unshare(CLONE_NEWNET), f"cannot make the network namespace {name}")
            _check(_bind("/proc/thread-self/ns/net", target), f"cannot name the network namespace {name}")
    except HostError:
        target.unlink()
        raise


def delete(name: str) -> None:
    """Takes the name away; the namespace and its links end with its last process. Absent is not an error."""
    target = path(name)
    if _libc.umount2(os.fsencode(target), _MNT_DETACH) != 0 and not target.exists():
        return
    with suppress(FileNotFoundError):
        target.unlink()


def _prepare_directory() -> None:
    """/run/netns is a mount of its own that is shared, so that a name taken away here is gone for other processes too."""
    DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    if _libc.mount(b"", os.fsencode(DIRECTORY), b"none", _MS_SHARED | _MS_REC, None) == 0:
        return
    _check(_bind(DIRECTORY, DIRECTORY), f"cannot mount {DIRECTORY}")
    _check(_libc.mount(b"", os.fsencode(DIRECTORY), b"none", _MS_SHARED | _MS_REC, None), f"cannot share {DIRECTORY}")


def _bind(source: str | Path, target: Path) -> int:
    return int(_libc.mount(os.fsencode(source), os.fsencode(target), b"none", _MS_BIND | _MS_REC, None))


@contextmanager
def _returning() -> Iterator[None]:
    """Brings the thread back to the network namespace it is in now, however the block ends."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        try:
            _check(_libc.setns(home, CLONE_NEWNET), "cannot return to the network namespace of this process")
        finally:
            os.close(home)


@contextmanager
def inside(name: str) -> Iterator[None]:
    """The block runs in that namespace. It must not await: other tasks of the thread would run there too."""
    with opened(name) as descriptor, _returning():
        _check(_libc.setns(descriptor, CLONE_NEWNET), f"cannot enter the network namespace {name}")
        yield


@contextmanager
def opened(name: str) -> Iterator[int]:
    """A file descriptor of the namespace. Raises HostError where there is none of that name."""
    try:
        descriptor = os.open(path(name), os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise HostError(f"cannot open the network namespace {name}: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def socket_in(name: str, family: int = socket.AF_INET, type_: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
    """A socket that sends and receives in that namespace, wherever it is used. It does not block, as asyncio wants it."""
    with inside(name):
        made = socket.socket(family, type_, protocol)
    made.setblocking(False)
    return made


def set_sysctl(settings: Mapping[str, str | int]) -> None:
    """Writes kernel parameters of the namespace the thread is in: `net/ipv4/ip_forward` -> 1. Raises HostError."""
    for key, value in settings.items():
        try:
            Path("/proc/sys", key).write_text(str(value))
        except OSError as error:
            raise HostError(f"cannot set the kernel parameter {key} to {value}: {error.strerror}") from error


@contextmanager
def children_in_new_pid_namespace() -> Iterator[None]:
    """The one process started in the block is the first of a process namespace: killing it kills all below (pid_namespaces(7)).

    No thread can be started in the block.
    """
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.unshare(CLONE_NEWPID), "cannot make a process namespace")
        try:
            yield
        finally:
            _check(_libc.setns(own, CLONE_NEWPID), "cannot return to the process namespace of this process")
    finally:
        os.close(own)
