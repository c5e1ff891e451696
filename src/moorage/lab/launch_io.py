"""A small program that enters a network namespace, sets the scene, and becomes the command it is given.

    python -I -S launch_io.py --network /run/netns/NAME [--bind FILE TARGET]... [--hostname NAME] [--first] -- COMMAND...

It is killed when its parent dies (prctl(2) PR_SET_PDEATHSIG). `--bind` and `--hostname` give it mounts and a host name of its
own. `--first`: the parent started it as the first process of a process namespace; it stays, starts the command as a child,
passes signals on and collects the dead, so that a command which does not expect to be process 1 ends on SIGTERM. `--join PID`
enters the namespaces of a running container instead.

Exit status: that of the command, 128 + N for signal N; 125 the scene could not be set, 126 the command could not be executed,
127 there is none. The message of a failure goes to the descriptor `--status`, which is closed without a word once the command
runs; without `--status` it goes to standard error.

It uses the standard library only, and little of that: each container waits for it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import NoReturn

CANNOT_ENTER, CANNOT_EXECUTE, NOT_FOUND = 125, 126, 127

_NEWNS, _NEWUTS, _NEWPID, _NEWNET = 0x00020000, 0x04000000, 0x20000000, 0x40000000
_MS_BIND, _MS_REC, _MS_SLAVE = 4096, 16384, 1 << 19
_MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8
_PR_SET_PDEATHSIG = 1
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)

_libc = ctypes.CDLL(None, use_errno=True)


class Options:
    """The command line, taken apart. argparse alone would double the time to start."""

    def __init__(self, arguments: list[str]) -> None:
        self.network = self.hostname = self.directory = ""
        self.binds: list[tuple[str, str, bool]] = []
        self.join, self.status, self.first = 0, -1, False
        rest = iter(arguments)
        for word in rest:
            if word == "--":
                break
            if word in ("--bind", "--bind-if-there"):
                self.binds.append((next(rest), next(rest), word == "--bind"))
            elif word == "--first":
                self.first = True
            elif word in ("--join", "--status"):
                setattr(self, word[2:], int(next(rest)))
            elif word in ("--network", "--hostname", "--directory"):
                setattr(self, word[2:], next(rest))
            else:
                raise SystemExit(f"launch: unknown option {word}")
        self.command = list(rest)


class Failure(Exception):
    """The command cannot be started; the text says why."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def main(arguments: list[str]) -> NoReturn:
    options = Options(arguments)
    try:
        _die_with_parent(options.status)
        if options.join:
            _join(options)
        else:
            _enter(options)
        if options.first or options.join:
            _supervise(options)
        _execute(options)
    except Failure as failure:
        _report(options, failure)


def _report(options: Options, failure: Failure) -> NoReturn:
    os.write(options.status if options.status >= 0 else 2, f"{failure}\n".encode())
    os._exit(failure.code)


def _call(result: int, what: str) -> None:
    if result != 0:
        raise Failure(CANNOT_ENTER, f"{what}: {os.strerror(ctypes.get_errno())}")


def _die_with_parent(status: int) -> None:
    _call(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "cannot ask to die with the parent")
    if status >= 0:
        import select  # the parent may have died before it was asked for

        poll = select.poll()
        poll.register(status, select.POLLERR)
        if poll.poll(0):
            os._exit(CANNOT_ENTER)


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Failure(CANNOT_ENTER, f"cannot open {path}: {error.strerror}") from None


def _enter(options: Options) -> None:
    """The network namespace, then mounts and host name of our own."""
    network = _open(options.network)
    _call(_libc.setns(network, _NEWNET), f"cannot enter {options.network}")
    os.close(network)
    new = (_NEWNS if options.binds or options.first else 0) | (_NEWUTS if options.hostname else 0)
    _call(_libc.unshare(new) if new else 0, "cannot make namespaces for mounts and host name")
    if new & _NEWNS:
        _mount(b"none", b"/", None, _MS_REC | _MS_SLAVE)
    for source, target, needed in options.binds:
        if needed or os.path.exists(target):
            _mount(os.fsencode(source), os.fsencode(os.path.realpath(target)), None, _MS_BIND)
    if options.first:
        _mount(b"proc", b"/proc", b"proc", _MS_NOSUID_NODEV_NOEXEC)
    if options.hostname:
        name = os.fsencode(options.hostname)
        _call(_libc.sethostname(name, len(name)), f"cannot set the host name {options.hostname}")


def _mount(source: bytes, target: bytes, kind: bytes | None, flags: int) -> None:
    """Source: mount(2). The flags are an unsigned long."""
    result = _libc.mount(source, target, kind, ctypes.c_ulong(flags), None)
    _call(result, f"cannot mount {os.fsdecode(source)} at {os.fsdecode(target)}")


def _join(options: Options) -> None:
    """All namespaces of a container's first process, if it is still the one in the network namespace that is asked for."""
    try:
        process = os.pidfd_open(options.join)
        if not os.path.samefile(f"/proc/{options.join}/ns/net", options.network):
            raise ProcessLookupError
    except (OSError, OverflowError):
        raise Failure(CANNOT_ENTER, f"the container has ended (process {options.join})") from None
    _call(_libc.setns(process, _NEWNET | _NEWUTS | _NEWPID | _NEWNS), "cannot enter the container")
    os.close(process)


def _supervise(options: Options) -> NoReturn:
    """The command becomes a child; signals go to it, orphans are collected, its exit status becomes ours."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
    child = os.fork()
    if child == 0:
        try:
            if options.join:
                _die_with_parent(options.status)
            else:
                os.setsid()
            _execute(options)
        except Failure as failure:
            _report(options, failure)
    for each in _FORWARDED:
        signal.signal(each, lambda number, _: os.kill(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
    if options.status >= 0:
        os.close(options.status)
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _execute(options: Options) -> NoReturn:
    """Becomes the command, with the signal handling that a fresh process expects (Python ignores SIGPIPE and SIGXFSZ)."""
    for each in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if options.status >= 0:
        os.set_inheritable(options.status, False)
    try:
        if options.directory:
            os.chdir(options.directory)
    except OSError as error:
        raise Failure(CANNOT_ENTER, f"cannot enter the working directory {options.directory}: {error.strerror}") from None
    if not options.command:
        raise Failure(NOT_FOUND, "no command was given")
    program = options.command[0]
    try:
        os.execvp(program, options.command)  # noqa: S606 -- to become the command is the job
    except FileNotFoundError:
        raise Failure(NOT_FOUND, f"exec: {program!r}: not found in {os.environ.get('PATH', '')}") from None
    except (OSError, ValueError) as error:
        raise Failure(CANNOT_EXECUTE, f"exec: {program!r}: {getattr(error, 'strerror', error)}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
