"""What a kernel has counted: connections, packets and bytes, by where they were sent and who got them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec


class Sent(NamedTuple):
    """What a packet was addressed to. `address` in network byte order, `protocol` an IP protocol number."""

    address: bytes
    protocol: int
    port: int


class Pair(NamedTuple):
    """What packets were addressed to, and the address of the endpoint that they went to."""

    sent: Sent
    endpoint: bytes


class Amount(NamedTuple):
    packets: int = 0
    bytes: int = 0


class Counts(msgspec.Struct, frozen=True):
    """All since the element was made in the kernel. `requests` go to endpoints, `replies` come from them; `connections` are
    the packets that began one. `refusals` were dropped or rejected.
    """

    connections: Mapping[Pair, int] = {}
    requests: Mapping[Pair, Amount] = {}
    replies: Mapping[Pair, Amount] = {}
    refusals: Mapping[Sent, Amount] = {}
