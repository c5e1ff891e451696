from ipaddress import IPv4Address, IPv4Network

import pytest

from moorage.lab.plan import LabPlan, belongs_to, check_instance, next_pod_address, pod_link
from moorage.model.errors import UserError

CIDR = IPv4Network("10.244.1.0/29")


def test_the_machines_and_their_addresses_are_those_of_the_architecture() -> None:
    plan = LabPlan(nodes=2)
    assert [(each.name, each.namespace, str(each.address)) for each in plan.machines] == [
        ("server", "moorage-server", "198.18.0.2"),
        ("edge", "moorage-edge", "198.18.0.3"),
        ("client", "moorage-client", "198.18.0.100"),
        ("node-1", "moorage-node-1", "198.18.0.11"),
        ("node-2", "moorage-node-2", "198.18.0.12"),
    ]
    assert [str(each.pod_cidr) for each in plan.node_machines] == ["10.244.1.0/24", "10.244.2.0/24"]
    assert plan.switch == "moorage-lan"


def test_addresses_differ_in_the_largest_lab() -> None:
    plan = LabPlan(nodes=80)
    assert len({each.address for each in plan.machines}) == len(plan.machines) == 83


def test_interface_names_fit_the_kernel() -> None:
    plan = LabPlan(nodes=80)
    last = plan.node_machines[-1]
    assert last.pod_cidr is not None
    names = [each.port for each in plan.machines] + [pod_link(last.pod_cidr, last.pod_cidr[254])]
    assert max(len(name.encode()) for name in names) <= 15
    assert names[-1] == "pod-254"


@pytest.mark.parametrize("nodes", [0, 81])
def test_a_lab_has_a_sensible_number_of_nodes(nodes: int) -> None:
    with pytest.raises(UserError, match="1 to 80 nodes"):
        LabPlan(nodes=nodes)


@pytest.mark.parametrize("instance", ["", "-a", "a-", "A", "a.b", "a_b", "pod", "a-pod-b", "x" * 33])
def test_an_instance_name_that_could_be_confused_is_refused(instance: str) -> None:
    with pytest.raises(UserError, match="cannot name an instance"):
        check_instance(instance)


def test_an_unknown_machine_is_named_with_those_that_exist() -> None:
    with pytest.raises(UserError, match="no machine 'node-9': it has server, edge, client, node-1"):
        LabPlan(nodes=1).machine("node-9")


def test_only_the_names_of_the_instance_belong_to_it() -> None:
    plan = LabPlan(instance="a")
    own = [each.namespace for each in plan.machines] + [plan.switch, plan.pod_namespace("default", "web.1", "1234-5")]
    assert all(belongs_to("a", name) for name in own)
    others = ["a", "a-", "a-2-node-1", "b-node-1", "a-node-1x", "a-node-0", "a-pod-default", "ab-lan", "a-pod-x/..y"]
    assert not any(belongs_to("a", name) for name in others)


def test_two_pods_never_share_a_namespace_and_its_name_fits_a_file() -> None:
    plan = LabPlan()
    assert plan.pod_namespace("default", "web-1", "4f9c2d1e-77") == "moorage-pod-default.web-1.4f9c2d1e"
    long = [plan.pod_namespace("n" * 63, "p" * 252 + end, "4f9c2d1e") for end in "xy"]
    assert len(set(long)) == 2
    assert all(len(name) < 255 and belongs_to("moorage", name) for name in long)


def test_a_pod_address_is_reused_as_late_as_possible() -> None:
    used: set[IPv4Address] = set()
    last = None
    given = []
    for _ in range(5):
        last = next_pod_address(CIDR, used, last)
        assert last is not None
        used.add(last)
        given.append(int(last) - int(CIDR.network_address))
    assert given == [2, 3, 4, 5, 6]
    assert next_pod_address(CIDR, used, last) is None
    used -= {CIDR[3], CIDR[5]}
    assert next_pod_address(CIDR, used, CIDR[4]) == CIDR[5]
    assert next_pod_address(CIDR, used, CIDR[6]) == CIDR[3]
