"""Commands in namespaces: what they see, how they end, and what is said when they cannot start."""

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from moorage.lab import netns_io
from moorage.lab.files_io import write_files
from moorage.lab.launch import Entry, command_line
from moorage.lab.processes_io import LaunchError, Process, Wish, spawn
from tests.kernel.needs import needs_root, unique_instance

pytestmark = [pytest.mark.kernel, needs_root]

PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


@pytest.fixture
def entry(tmp_path: Path) -> Iterator[Entry]:
    name = f"{unique_instance('run')}-client"
    netns_io.create(name)
    write_files(tmp_path / "files", {"resolv.conf": "# mine\n", "hosts": "192.0.2.1 me\n", "hostname": "h\n"})
    write_files(tmp_path / "files", {"nsswitch.conf": "hosts: files dns\n"})
    yield Entry(name, str(tmp_path / "files"), "web-1")
    netns_io.delete(name)


async def run(wish: Wish) -> int:
    return await (await spawn(wish)).wait()


def output_of(entry: Entry, script: str, tmp_path: Path, first: bool = True) -> str:
    log = tmp_path / "log"
    wish = Wish(entry, ("sh", "-c", script), PATH | {"A": "b"}, log=str(log), first=first, directory="/tmp")
    assert asyncio.run(run(wish)) == 0
    return log.read_text()


@pytest.mark.parametrize("first", [True, False])
def test_a_command_has_files_a_name_and_variables_of_its_own(entry: Entry, tmp_path: Path, first: bool) -> None:
    host = Path("/etc/resolv.conf").read_text()
    text = output_of(entry, "cat /etc/resolv.conf /etc/hosts; uname -n; pwd; echo $A$HOME", tmp_path, first)
    assert text == "# mine\n192.0.2.1 me\nweb-1\n/tmp\nb\n"
    assert Path("/etc/resolv.conf").read_text() == host


def test_a_container_sees_its_own_processes_only(entry: Entry, tmp_path: Path) -> None:
    assert output_of(entry, "echo $$ /proc/[0-9]*", tmp_path).split()[1:3] == ["/proc/1", "/proc/2"]
    assert output_of(entry, "ls /sys/class/net | wc -l; cat /proc/net/dev | wc -l", tmp_path).split()[-1] == "3"


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("no-such-program",), 127, "exec: 'no-such-program': not found in /usr/sbin:/usr/bin:/sbin:/bin"),
        (("/etc",), 126, "exec: '/etc': Permission denied"),
        ((), 127, "no command was given"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_command_that_cannot_start_says_why(
    entry: Entry, command: tuple[str, ...], code: int, words: str, first: bool
) -> None:
    with pytest.raises(LaunchError) as caught:
        asyncio.run(spawn(Wish(entry, command, PATH, first=first)))
    assert (caught.value.code, str(caught.value)) == (code, words)


def test_a_scene_that_cannot_be_set_says_why(entry: Entry) -> None:
    with pytest.raises(LaunchError, match="cannot open /run/netns/nowhere: No such file") as caught:
        asyncio.run(spawn(Wish(Entry("nowhere"), ("true",), PATH)))
    assert caught.value.code == 125
    with pytest.raises(LaunchError, match="cannot enter the working directory /nowhere: No such file"):
        asyncio.run(spawn(Wish(entry, ("true",), PATH, directory="/nowhere")))
    with pytest.raises(LaunchError, match="cannot mount /nowhere/resolv"):
        asyncio.run(spawn(Wish(Entry(entry.network, "/nowhere"), ("true",), PATH)))


def test_the_exit_status_is_the_commands_own(entry: Entry) -> None:
    for first in (True, False):
        assert asyncio.run(run(Wish(entry, ("sh", "-c", "exit 7"), PATH, first=first))) == 7
        assert asyncio.run(run(Wish(entry, ("sh", "-c", "kill -9 $$"), PATH, first=first))) == 128 + 9


def test_a_command_that_minds_nothing_ends_on_sigterm_and_takes_all_it_started_along(entry: Entry, tmp_path: Path) -> None:
    async def story() -> None:
        process = await spawn(Wish(entry, ("sh", "-c", "sleep 600 & exec sleep 600"), PATH, first=True))
        assert await process.terminate(5.0) == 128 + signal.SIGTERM
        assert processes_in(entry) == []

    asyncio.run(story())


def test_a_command_that_ignores_sigterm_is_killed_after_the_grace(entry: Entry, tmp_path: Path) -> None:
    async def story() -> None:
        script = "trap '' TERM; echo ready; sleep 600 & while :; do wait; done"
        process = await spawn(Wish(entry, ("sh", "-c", script), PATH, log=str(tmp_path / "log"), first=True))
        await written(tmp_path / "log", "ready\n")
        assert await process.terminate(0.05) == 128 + signal.SIGKILL
        assert processes_in(entry) == []
        process.send(signal.SIGTERM)

    asyncio.run(story())


def processes_in(entry: Entry) -> list[str]:
    inode = netns_io.path(entry.network).stat().st_ino
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if (each / "ns/net").stat().st_ino == inode:
                found.append(each.name)
        except OSError:
            continue
    return found


async def written(path: Path, text: str) -> None:
    limit = asyncio.get_running_loop().time() + 5
    while not path.exists() or path.read_text() != text:
        assert asyncio.get_running_loop().time() < limit
        await asyncio.sleep(0.01)


def test_output_is_kept_on_disk_up_to_a_limit(entry: Entry, tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "i=0; while [ $i -lt 40 ]; do head -c 100000 /dev/zero; i=$((i+1)); done; echo end"
    assert asyncio.run(run(Wish(entry, ("sh", "-c", script), PATH, log=str(log), first=True))) == 0
    assert log.read_bytes().endswith(b"end\n")
    assert log.stat().st_size <= 1 << 20
    assert (tmp_path / "log.1").stat().st_size <= 1 << 20
    assert sorted(each.name for each in tmp_path.iterdir()) == ["files", "log", "log.1"]


def test_a_second_command_joins_a_running_container(entry: Entry, tmp_path: Path) -> None:
    async def story() -> Process:
        process = await spawn(Wish(entry, ("sleep", "600"), PATH, first=True))
        joined = Entry(entry.network, entry.files, entry.hostname, join=process.pid)
        line = command_line(
            joined, ("sh", "-c", "uname -n; cat /etc/hosts; cat /proc/1/cmdline | tr '\\0' '\\n' | tail -1; exit 3")
        )
        done = await asyncio.to_thread(subprocess.run, line, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (3, "")
        assert done.stdout == "web-1\n192.0.2.1 me\n600\n"
        killed = await asyncio.to_thread(subprocess.run, command_line(joined, ("sh", "-c", "kill 1")), check=False)
        assert killed.returncode in (0, 137)
        assert await process.wait() == 128 + signal.SIGTERM
        with pytest.raises(LaunchError, match=f"the container has ended \\(process {process.pid}\\)"):
            await spawn(Wish(joined, ("true",), PATH))
        return process

    asyncio.run(story())
