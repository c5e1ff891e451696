from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from moorage.model.errors import UserError
from moorage.settings.controllers import ON_KUBERNETES
from moorage.settings.fields import API_VERSION, fields, written
from moorage.settings.read import read_settings
from moorage.settings.roles import ROLES, ControllerSettings, EdgeSettings, NodeSettings, RoleSettings

NODE = f"apiVersion: {API_VERSION}\nkind: NodeConfiguration\n"


def errors(type_: type[RoleSettings], text: str = "", **flags: object) -> list[str]:
    with pytest.raises(UserError) as raised:
        read_settings(type_, flags, text, "f.yaml" if text else "")
    return str(raised.value).splitlines()


def test_nothing_said_is_the_defaults() -> None:
    assert read_settings(NodeSettings) == NodeSettings()
    assert read_settings(ControllerSettings) == ControllerSettings()


def test_a_flag_wins_over_the_file_and_the_file_over_the_default() -> None:
    text = NODE + "dnsPort: 53\nhealthPort: 1\nclusterCIDRs: [10.0.0.0/8, 'fd00::/8']\nlogFormat: null\n"
    settings = read_settings(NodeSettings, {"health_port": 2, "localhost_node_ports": False}, text, "f.yaml")
    assert settings == NodeSettings(
        dns_port=53, health_port=2, cluster_cidrs=("10.0.0.0/8", "fd00::/8"), localhost_node_ports=False
    )


def test_a_file_may_be_json() -> None:
    text = f'{{"apiVersion": "{API_VERSION}", "kind": "EdgeConfiguration", "interface": "lo", "probeInterval": 1}}'
    assert read_settings(EdgeSettings, {}, text, "f") == EdgeSettings(interface="lo", probe_interval=1.0)


def test_everything_that_is_wrong_is_said_at_once_with_its_place() -> None:
    text = (
        "apiVersion: moorage.dev/v1\nkind: Node\nclusterCidrs: [a]\nmetrics-bind-address: x\n"
        "healthPort: 0\ndnsPort: hello\nlogFormat: xml\nfoo: 1\ndnsPort: 1\n"
    )
    assert errors(NodeSettings, text, localhost_node_ports=3) == [
        'f.yaml, line 1: apiVersion: Unsupported value: "moorage.dev/v1": supported values: "moorage.dev/v1alpha1"',
        'f.yaml, line 2: kind: Unsupported value: "Node": supported values: "NodeConfiguration"',
        "f.yaml, line 3: clusterCidrs: Forbidden: unknown field: did you mean clusterCIDRs?",
        "f.yaml, line 4: metrics-bind-address: Forbidden: unknown field: did you mean metricsBindAddress?",
        "f.yaml, line 8: foo: Forbidden: unknown field; there are: kubeconfig, context, compressLists, logFormat, name, "
        "clusterCIDRs, nodePortAddresses, localhostNodePorts, healthPort, metricsBindAddress, dnsPort, "
        "followNodes, selfCheckPort, besideOtherProxy, apiVersion, kind",
        "f.yaml, line 6: dnsPort: Forbidden: given twice",
        'f.yaml, line 7: logFormat: Unsupported value: "xml": supported values: "auto", "text", "json"',
        "--localhost-nodeports: Invalid value: 3: must be true or false",
        "f.yaml, line 5: healthPort: Invalid value: 0: must be a whole number, at least 1, at most 65535",
    ]


def test_values_that_mean_nothing_are_named_where_they_were_given() -> None:
    text = NODE + "clusterCIDRs:\n- a\n- 10.0.0.1/8\nmetricsBindAddress: x\n"
    found = errors(NodeSettings, text, node_port_addresses=("primary", "10.0.0.0/8"))
    assert [each.partition(": ")[0] for each in found] == [
        "f.yaml, line 4",
        "f.yaml, line 5",
        "--nodeport-addresses",
        "f.yaml, line 6",
    ]
    assert errors(NodeSettings, NODE + "clusterCIDRs: [1, 10.0.0.0/8]\n") == [
        "f.yaml, line 3: clusterCIDRs[0]: Invalid value: 1: must be text"
    ]
    assert errors(NodeSettings, NODE + "clusterCIDRs: 10.0.0.0/8\n") == [
        'f.yaml, line 3: clusterCIDRs: Invalid value: "10.0.0.0/8": must be a list of text'
    ]


def test_where_edges_meet_is_an_address() -> None:
    found = errors(EdgeSettings, interface="eth0", meet_at=("192.0.2.1", "edge-2"))
    assert found == ['--meet-at: Invalid value: "edge-2": must be an IP address']


def test_what_is_required_is_asked_for() -> None:
    assert errors(EdgeSettings) == [
        "--interface: Required value: Interface at which the load-balancer addresses are announced."
    ]
    text = f"apiVersion: {API_VERSION}\nkind: EdgeConfiguration\n"
    assert errors(EdgeSettings, text)[0].startswith("f.yaml, line 1: interface: Required value")
    assert errors(EdgeSettings, "interface: lo")[:2] == [
        "f.yaml, line 1: apiVersion: Required value: this must be moorage.dev/v1alpha1",
        "f.yaml, line 1: kind: Required value: this must be EdgeConfiguration",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (NODE + "---\n" + NODE, "f.yaml: expected one document with apiVersion and kind, there are 2"),
        ("- a\n", "f.yaml: line 1, column 1: a manifest is a mapping with apiVersion and kind, this is a list"),
        ("a: [", "f.yaml: line 2, column 1: "),
    ],
)
def test_a_file_is_one_document(text: str, words: str) -> None:
    assert errors(NodeSettings, text)[0].startswith(words)


@pytest.mark.parametrize("bad", ["10249", "node-1:10249", "127.0.0.1:0", "127.0.0.1:99999", "::1", "127.0.0.1:"])
def test_where_metrics_cannot_be_served(bad: str) -> None:
    assert "must be an address and a port, such as 127.0.0.1:10249" in errors(NodeSettings, metrics_bind_address=bad)[0]


def test_where_metrics_are_served() -> None:
    assert NodeSettings().metrics_at == ("127.0.0.1", 10249)
    assert NodeSettings(metrics_bind_address="[::]:9100").metrics_at == ("::", 9100)
    assert NodeSettings(metrics_bind_address="").metrics_at is None


def test_times_of_the_leader_election_fit_together() -> None:
    assert errors(ControllerSettings, lease_duration=10.0, retry_period=9.0) == [
        "--leader-elect-renew-deadline: Invalid value: 10.0: must be less than leaseDuration, or two would lead at a time",
        "--leader-elect-retry-period: Invalid value: 9.0: renewDeadline must be more than 1.2 times as long",
    ]
    assert errors(ControllerSettings, lease_duration=15.5) == [
        "--leader-elect-lease-duration: Invalid value: 15.5: must be whole seconds: so the Lease has it"
    ]


@pytest.mark.parametrize("type_", ROLES, ids=lambda each: each.KIND)
def test_every_field_has_a_key_a_flag_and_a_sentence_of_its_own(type_: type[RoleSettings]) -> None:
    found = fields(type_)
    assert len({each.key for each in found}) == len({each.flag for each in found}) == len(found)
    assert all(each.flag.startswith("--") and each.about.endswith(".") for each in found)


@pytest.mark.parametrize(
    "settings",
    [
        NodeSettings(),
        NodeSettings(name="n", cluster_cidrs=("10.0.0.0/8",), localhost_node_ports=False, metrics_bind_address=""),
        ControllerSettings(controllers=ON_KUBERNETES, leader_elect=True),
        EdgeSettings(interface="lo", probe_timeout=1.0),
    ],
    ids=lambda each: each.KIND,
)
def test_what_is_written_is_read_back(settings: RoleSettings) -> None:
    """So a manifest may carry the settings that a program made."""
    text = yaml.safe_dump(written(settings))
    assert read_settings(type(settings), {}, text, "f") == settings


def test_only_what_is_not_the_default_is_written() -> None:
    head = {"apiVersion": "moorage.dev/v1alpha1", "kind": "NodeConfiguration"}
    assert written(NodeSettings()) == head
    assert written(NodeSettings(cluster_cidrs=("10.0.0.0/8",))) == {**head, "clusterCIDRs": ["10.0.0.0/8"]}
    assert written(EdgeSettings(interface="lo"))["interface"] == "lo"


VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
KEYS = st.sampled_from([each.key for each in fields(NodeSettings)]) | st.text(min_size=1, max_size=8)
TREES = st.dictionaries(KEYS, VALUES | st.lists(VALUES, max_size=3) | st.dictionaries(st.text(max_size=3), VALUES, max_size=2))


@given(TREES)
def test_any_file_gives_settings_or_words(tree: dict[str, Any]) -> None:
    text = msgspec.json.encode({"apiVersion": API_VERSION, "kind": "NodeConfiguration", **tree}).decode()
    try:
        settings: NodeSettings | None = read_settings(NodeSettings, {}, text, "f.yaml")
        words = ""
    except UserError as error:
        settings, words = None, str(error)
    if settings is None:
        assert "f.yaml, line 1: " in words
    else:
        assert not list(settings.wrong())
        assert set(tree) <= {each.key for each in fields(NodeSettings)}
