from moorage.lab.node_object import Host, conditions, is_reported_ready, lease, lease_key, node_object
from moorage.lab.plan import LabPlan
from moorage.model.meta import Condition, Key, condition, is_true

HOST = Host("6.1.0", "Debian", "x86_64", 2, 1024)
NODE = node_object(LabPlan().machine("node-2"), HOST, 1000.0)


def test_a_node_says_where_it_is_and_which_pods_it_takes() -> None:
    assert NODE.metadata.name == "node-2"
    assert NODE.metadata.labels["kubernetes.io/hostname"] == "node-2"
    assert NODE.metadata.labels["kubernetes.io/arch"] == "amd64"
    assert (NODE.spec.pod_cidr, NODE.spec.pod_cidrs) == ("10.244.2.0/24", ("10.244.2.0/24",))
    assert NODE.internal_ips == ("198.18.0.12",)
    assert NODE.status.capacity == {"cpu": "2", "memory": "1024Ki", "pods": "110"}
    assert NODE.status.node_info.kubelet_version == "v1.36.0+moorage"
    assert is_reported_ready(NODE)


def test_what_others_said_of_the_node_is_kept_and_what_is_ours_is_said_anew() -> None:
    before = (
        Condition(type="Ready", status="Unknown", last_transition_time="then"),
        Condition(type="DiskPressure", status="False", last_transition_time="then"),
        Condition(type="example.com/Mine", status="True"),
    )
    after = conditions(before, 1000.0)
    ready, disk = condition(after, "Ready"), condition(after, "DiskPressure")
    assert ready is not None
    assert disk is not None
    assert (ready.status, ready.last_transition_time) == ("True", "1970-01-01T00:16:40Z")
    assert (disk.last_transition_time, disk.last_heartbeat_time) == ("then", "1970-01-01T00:16:40Z")
    assert is_true(after, "example.com/Mine")


def test_the_lease_names_its_holder_and_goes_with_the_node() -> None:
    made = lease(NODE, 3, 1000.5)
    assert made.key == lease_key("node-2") == Key("kube-node-lease", "node-2")
    assert (made.spec.holder_identity, made.spec.lease_duration_seconds) == ("node-2", 3)
    assert made.spec.renew_time == "1970-01-01T00:16:40.500000Z"
    assert made.metadata.owner_references[0].kind == "Node"
