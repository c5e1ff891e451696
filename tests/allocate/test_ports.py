"""Node port ranges. Source: KEP-3668 and `portallocator`."""

from __future__ import annotations

from random import Random

import pytest

from moorage.allocate.ports import PortRange


@pytest.mark.parametrize(
    ("first", "last", "band"),
    [
        (30000, 32767, 86),  # KEP-3668: 2768 / 32
        (1, 65535, 128),
        (30000, 30099, 16),
        (30000, 30015, 0),  # calculateRangeOffset: no band for 16 ports or fewer
    ],
)
def test_static_band(first: int, last: int, band: int) -> None:
    assert PortRange(first, last).static_band == band


def test_every_port_is_given_once_and_the_band_last() -> None:
    ports = PortRange(30000, 30099)
    random = Random(5)
    taken: list[int] = []
    while (port := ports.pick(taken.__contains__, random)) is not None:
        taken.append(port)
    assert sorted(taken) == list(range(30000, 30100))
    assert min(taken[:84]) == 30016


@pytest.mark.parametrize(
    ("asked", "taken", "refusal"),
    [
        (30080, False, None),
        (30080, True, "provided port is already allocated"),
        (80, False, "provided port is not in the valid range. The range of valid ports is 30000-32767"),
        (32768, False, "provided port is not in the valid range. The range of valid ports is 30000-32767"),
    ],
)
def test_static_wishes(asked: int, taken: bool, refusal: str | None) -> None:
    assert PortRange(30000, 32767).refusal(asked, lambda _: taken) == refusal
