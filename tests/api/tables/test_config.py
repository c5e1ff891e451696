"""Rows of configuration, ingress and announcement kinds, as kubectl shows them.

Source: `pkg/printers/internalversion/printers_test.go`; MetalLB's printer columns.
"""

from __future__ import annotations

from typing import Any

import pytest

from moorage.model.config import ConfigMap, Secret, ServiceAccount
from moorage.model.event_v1 import EventV1
from moorage.model.ingress import Ingress, IngressClass
from moorage.model.meta import Object
from moorage.model.metallb import BFDProfile, BGPAdvertisement, BGPPeer, Community, L2Advertisement, ServiceL2Status
from tests.api.tables.test_columns import headings, row

RULES = [{"host": f"{name}.com"} for name in "abcd"]


@pytest.mark.parametrize(
    ("type_", "tree", "names", "expected"),
    [
        (ConfigMap, {"data": {"a": "1"}, "binaryData": {"b": ""}}, "Name | Data | Age", ("it", 2, "5m")),
        (Secret, {"type": "Opaque", "data": {"a": ""}}, "Name | Type | Data | Age", ("it", "Opaque", 1, "5m")),
        (ServiceAccount, {"secrets": [{"name": "x"}]}, "Name | Secrets | Age", ("it", 1, "5m")),
        (
            Ingress,
            {
                "spec": {"rules": RULES, "tls": [{}]},
                "status": {"loadBalancer": {"ingress": [{"hostname": "very.long.example.com"}]}},
            },
            "Name | Class | Hosts | Address | Ports | Age",
            ("it", "<none>", "a.com,b.com,c.com + 1 more...", "very.long.exa...", "80, 443", "5m"),
        ),
        (
            Ingress,
            {"spec": {"ingressClassName": "x"}, "status": {"loadBalancer": {"ingress": [{"ip": "198.18.0.1"}]}}},
            "Name | Class | Hosts | Address | Ports | Age",
            ("it", "x", "*", "198.18.0.1", "80", "5m"),
        ),
        (
            IngressClass,
            {"spec": {"controller": "a.io/b", "parameters": {"apiGroup": "g", "kind": "K", "name": "n"}}},
            "Name | Controller | Parameters | Age",
            ("it", "a.io/b", "K.g/n", "5m"),
        ),
        (
            L2Advertisement,
            {"spec": {"ipAddressPools": ["p"], "interfaces": ["eth0"]}},
            "Name | IPAddressPools | IPAddressPool Selectors | Interfaces | Node Selectors",
            ("it", '["p"]', "", '["eth0"]', ""),
        ),
        (
            BGPAdvertisement,
            {"spec": {"ipAddressPoolSelectors": [{"matchLabels": {"a": "b"}}], "peers": ["x"]}},
            "Name | IPAddressPools | IPAddressPool Selectors | Peers | Node Selectors",
            ("it", "", '[{"matchLabels":{"a":"b"}}]', '["x"]', ""),
        ),
        (Community, {}, "Name | Age", ("it", "5m")),
        (
            BFDProfile,
            {"spec": {"passiveMode": True, "transmitInterval": 270}},
            "Name | Passive Mode | Transmit Interval | Receive Interval | Multiplier",
            ("it", True, 270, None, None),
        ),
        (
            BGPPeer,
            {"spec": {"peerAddress": "198.18.0.1", "peerASN": 64513}},
            "Name | Address | ASN | BFD Profile | Multi Hops",
            ("it", "198.18.0.1", "64513", "", ""),
        ),
        (
            ServiceL2Status,
            {"status": {"node": "node-1", "serviceName": "web", "serviceNamespace": "default"}},
            "Name | Allocated Node | Service Name | Service Namespace",
            ("it", "node-1", "web", "default"),
        ),
    ],
)
def test_rows(type_: type[Object], tree: dict[str, Any], names: str, expected: tuple[object, ...]) -> None:
    assert headings(type_) == names
    assert row(type_, tree) == expected


def test_both_forms_of_an_event_have_one_table() -> None:
    told = {"note": "hello", "type": "Normal", "reason": "Tested", "regarding": {"kind": "Pod", "name": "web"}}
    cells = row(EventV1, {**told, "eventTime": "2026-01-01T00:00:00.000000Z"})
    assert cells[:4] == ("5m", "Normal", "Tested", "pod/web")
