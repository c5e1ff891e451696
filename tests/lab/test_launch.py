import pytest

from moorage.lab.launch import PYTHON, Entry, command_line, machine_entry, pod_entry, pod_hostname, process_file
from moorage.lab.launch_io import Options
from moorage.lab.plan import LabPlan
from moorage.model.errors import UserError
from moorage.model.meta import ObjectMeta
from moorage.model.pods import Pod, PodSpec

PLAN = LabPlan()
POD = Pod(metadata=ObjectMeta(name="web", namespace="default", uid="12345678-9"), spec=PodSpec(node_name="node-1"))
FILES = "/run/moorage/moorage/pods/default.web.12345678"


def test_where_machines_and_pods_run_their_commands() -> None:
    assert machine_entry(PLAN, "edge") == Entry("moorage-edge", "/run/moorage/moorage/machines/edge", "edge")
    assert pod_entry(PLAN, POD) == Entry("moorage-pod-default.web.12345678", FILES, "web")
    assert str(process_file(PLAN, POD, "main")) == f"{FILES}/main.pid"
    with pytest.raises(UserError):
        machine_entry(PLAN, "node-9")


def test_a_pod_with_host_networking_shares_its_nodes_namespace_and_name() -> None:
    pod = Pod(metadata=POD.metadata, spec=PodSpec(node_name="node-1", host_network=True))
    assert pod_entry(PLAN, pod) == Entry("moorage-node-1", FILES, "node-1")


def test_a_host_name_fits_the_kernel() -> None:
    assert pod_hostname(Pod(metadata=ObjectMeta(name="a" * 62 + ".b"))) == "a" * 62
    assert pod_hostname(Pod(metadata=ObjectMeta(name="web"), spec=PodSpec(hostname="db-0"))) == "db-0"


def test_the_launcher_understands_the_line_that_is_made_for_it() -> None:
    entry = Entry("ns", "/files", "web")
    line = command_line(entry, ("sh", "-c", "--first"), first=True, status=7, directory="/tmp")
    assert tuple(line[:3]) == PYTHON
    options = Options(line[4:])
    assert options.network == "/run/netns/ns"
    assert options.binds[0] == ("/files/resolv.conf", "/etc/resolv.conf", True)
    assert [(target, needed) for _, target, needed in options.binds[1:]] == [
        ("/etc/hosts", False),
        ("/etc/hostname", False),
        ("/etc/nsswitch.conf", False),
    ]
    assert (options.hostname, options.first, options.status, options.directory) == ("web", True, 7, "/tmp")
    assert options.command == ["sh", "-c", "--first"]


def test_joining_a_container_takes_its_files_and_name_as_they_are() -> None:
    options = Options(command_line(Entry("ns", "/files", "web", join=42), ("true",))[4:])
    assert (options.join, options.binds, options.hostname) == (42, [], "")


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(SystemExit, match="unknown option --what"):
        Options(["--what"])
