"""`moorage pools --simulate` against an API."""

from __future__ import annotations

import asyncio

import pytest

from moorage.cli import pools as command
from moorage.client.fake import FakeClient
from moorage.model.errors import UserError
from moorage.model.lb import IPAddressPool
from moorage.run.pool_questions import Forecast, ask_pools, read_pools
from tests.control.things import balanced, pool

ANNOTATIONS = {"moorage.dev/load-balancer": "edge"}
LIVE = (
    pool("p", "198.18.100.0/24"),
    pool("q", "192.0.2.0/24"),
    balanced("a", shows="198.18.100.1", annotations=ANNOTATIONS),
    balanced("b", shows="192.0.2.1", annotations=ANNOTATIONS),
)
POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: %s}
spec: {addresses: [%s]}
---
"""


def ask(text: str) -> Forecast:
    return asyncio.run(ask_pools(FakeClient(LIVE), text, "edge", 0.0))


def test_a_file_is_compared_with_the_live_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    forecast = ask(POOL % ("p", "198.18.100.0/24") + "apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\n")
    assert command.as_json(forecast) == {
        "fine": False,
        "services": [
            {"service": "default/a", "fate": "keeps", "before": ["198.18.100.1"], "after": ["198.18.100.1"], "why": ""},
            {
                "service": "default/b",
                "fate": "changes",
                "before": ["192.0.2.1"],
                "after": ["198.18.100.0"],
                "why": "192.0.2.1 is in no IPAddressPool",
            },
        ],
        "poolsGone": ["metallb-system/q"],
    }
    command._tell(forecast)
    assert "1 of 2 Services would not keep their address" in capsys.readouterr().out


def test_an_edit_that_moves_nobody_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    forecast = ask(POOL % ("p", "198.18.100.0/28") + POOL % ("q", "192.0.2.0/28"))
    assert (forecast.fine, forecast.gone) == (True, ())
    command._tell(forecast)
    assert "every Service would keep its address" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no IPAddressPool"),
        ("kind: Service\napiVersion: v1\n", "holds no IPAddressPool"),
        (POOL % ("p", "x"), 'line 2: .*invalid CIDR "x"'),
        (
            POOL % ("p", "10.0.0.0/24") + POOL % ("q", "10.0.0.7/32"),
            'line 8: .*overlaps with already defined CIDR "10.0.0.0/24"',
        ),
        (POOL.replace("addresses", "adresses") % ("p", "10.0.0.0/24"), "adresses"),
        ("kind: [", "line 2, column 1"),
    ],
)
def test_a_file_that_the_api_would_refuse(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        ask(text)


def test_what_get_printed_can_be_edited_and_read() -> None:
    printed = POOL.replace("{name: %s}", "{name: %s, resourceVersion: '7', uid: u, generation: 2}") % ("p", "10.0.0.0/24")
    [found] = asyncio.run(read_pools(printed, (), 0.0))
    assert found.spec.addresses == ("10.0.0.0/24",)


def test_pools_keep_their_namespace() -> None:
    live = [each for each in LIVE if isinstance(each, IPAddressPool)]
    [found] = asyncio.run(read_pools(POOL % ("p", "10.0.0.0/24"), live, 0.0))
    assert found.metadata.namespace == "metallb-system"
