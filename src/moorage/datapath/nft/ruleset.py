"""The constant nftables program as text, one table for one family. A Service is elements of its maps, never a rule.

The hook of each chain is the earliest or latest place where its question can be answered:

    prerouting, raw               isolate       a packet from outside to a cluster address is dropped before it is tracked
    prerouting, output -101       services      a new connection to a frontend is sent to a backend
    input, forward, output        undelivered   a translated packet is counted; what was not and should have been is answered
    postrouting, input srcnat     sources       the source is rewritten where it has to be; connections are counted

Chains that pick a backend are written by `rules`, as they are needed; `chains` says which there are.
"""

from __future__ import annotations

import hashlib

from moorage.datapath.nft.chains import DELIVER, FIRST, INSIDE, SEAT, SWALLOW
from moorage.datapath.nft.spaces import (
    ADMITTED,
    AFFINITY,
    BACKENDS,
    CLUSTER_IPS,
    CLUSTER_SOURCES,
    CONNECTIONS,
    DROPPED,
    FRONTENDS,
    HASH_MODULUS,
    HASH_SEED,
    LOAD_BALANCER_IPS,
    NODE_PORT_ADDRESSES,
    PINGS,
    PODS_HERE,
    REFUSALS,
    REJECTED,
    REPLIES,
    REQUESTS,
    SEATS,
    SERVICE_CIDRS,
    UNREACHABLE,
    WORDS,
    Space,
)  # fmt: skip
from moorage.model.net import Family

MASQUERADE_MARK = 0x4000
"""The one bit of the packet mark that this program sets, and clears again in postrouting. kube-proxy uses the same one."""

BEFORE_OTHERS = -101
"""Priority of what picks a backend. kube-proxy's rules, in nftables and in iptables mode, are at -100 (dstnat): whenever either
of the two began, a connection is translated here.
"""

MOST_CLIENTS = 1 << 20
"""Clients that are remembered for each space (`sessionAffinity`), and pairs of frontend and endpoint that are counted."""
MOST_REFUSALS, COUNTED_FOR = 1 << 14, "1h"
"""How many refused addresses are counted, and how long each is remembered: anybody can make up new ones."""

_BYTE_FIELD = {Family.IPV4: "ip ttl", Family.IPV6: "ip6 hoplimit"}
"""A field of one byte: what `typeof` needs to declare a set of bytes."""

_ECHO_REQUEST = {Family.IPV4: "icmp type echo-request", Family.IPV6: "icmpv6 type echo-request"}
_HOST_UNREACHABLE = {Family.IPV4: "icmp type host-unreachable", Family.IPV6: "icmpv6 type addr-unreachable"}
_ADDRESS_TYPE = {Family.IPV4: "ipv4_addr", Family.IPV6: "ipv6_addr"}

_LAYOUT = "moorage layout 3 "
"""The number counts versions of what is not text here: the rules in `rules` and the encoding of elements."""
_ADDRESS_OFFSETS = {Family.IPV4: (12, 16, 4), Family.IPV6: (8, 24, 16)}
"""Source and destination in the IP header and their length, in bytes (RFC 791 section 3.1, RFC 8200 section 3)."""


def render(name: str, family: Family) -> str:
    """Text for `nft -f` that puts the program in place of whatever table of that name there was, in one transaction."""
    ip = WORDS[family]
    body = _body(family)
    return f'add table {ip} {name}\ndelete table {ip} {name}\ntable {ip} {name} {{\n    comment "{layout(family)}"\n{body}}}\n'


def layout(family: Family) -> str:
    """The comment of an installed table. It differs whenever the program differs."""
    return _LAYOUT + hashlib.sha256(_body(family).encode()).hexdigest()[:16]


def _body(family: Family) -> str:
    maps = "".join(_maps_of(family, space) for space in Space)
    return (
        maps + _sets(family) + _counters(family) + _delivery(family) + _needed(family) + _hooks(family) + _undelivered(family)
    )


def _found(family: Family, space: Space) -> str:
    """The fields by which a frontend is found: those of its key, and for a range the port as well."""
    return Space.ADDRESS.key(family) if space is Space.RANGE else space.key(family)


def _maps_of(family: Family, space: Space) -> str:
    ip, key, found, named = WORDS[family], space.key(family), _found(family, space), space.map
    interval = " flags interval;" if space is Space.RANGE else ""
    endpoint = f"{ip} daddr" if space is Space.RANGE else f"{ip} daddr . th dport"
    remembered = f"flags dynamic,timeout; size {MOST_CLIENTS};"
    return f"""
    map {named(FRONTENDS)} {{ typeof {found} : verdict;{interval} }}
    map {named(BACKENDS)} {{ typeof {key} . meta priority : {endpoint}; }}
    map {named(SEATS)} {{ typeof {key} . meta priority : meta priority; }}
    map {named(AFFINITY)} {{ typeof {space.client(family)} : meta priority; {remembered} }}
    set {named(ADMITTED)} {{ typeof {key} . {ip} saddr; flags interval; }}
    set {named(REJECTED)} {{ typeof {found};{interval} }}
    set {named(DROPPED)} {{ typeof {found};{interval} }}
"""


def _sets(family: Family) -> str:
    ip, byte = WORDS[family], _BYTE_FIELD[family]
    return f"""
    set {CLUSTER_IPS} {{ typeof {ip} daddr; }}
    set {LOAD_BALANCER_IPS} {{ typeof {ip} daddr; }}
    set {CLUSTER_SOURCES} {{ typeof {ip} saddr; flags interval; }}
    set {PODS_HERE} {{ typeof {ip} saddr; flags interval; }}
    set {NODE_PORT_ADDRESSES} {{ typeof {ip} daddr; flags interval; }}
    set {SERVICE_CIDRS} {{ typeof {ip} daddr; flags interval; }}
    map {PINGS} {{ typeof {ip} daddr : {ip} daddr; }}
    set {UNREACHABLE} {{ typeof {ip} daddr; }}
    set equal_bytes {{ typeof {byte} . {byte}; elements = {{ {_equal_bytes()} }} }}
"""


def _counters(family: Family) -> str:
    """The kernel makes an element for what it meets first, so that what has no traffic costs nothing. `counts` reads them, and
    removes those whose frontend or endpoint is gone.
    """
    address = _ADDRESS_TYPE[family]
    pair = f"{address} . inet_proto . inet_service . {address}"
    counted = f"flags dynamic; size {MOST_CLIENTS}; counter;"
    passing = f"flags dynamic,timeout; timeout {COUNTED_FOR}; size {MOST_REFUSALS}; counter;"
    return f"""
    set {REQUESTS} {{ type {pair}; {counted} }}
    set {REPLIES} {{ type {pair}; {counted} }}
    set {CONNECTIONS} {{ type {pair}; {counted} }}
    set {REFUSALS} {{ typeof {Space.ADDRESS.key(family)}; {passing} }}
"""


def _delivery(family: Family) -> str:
    """`dnat` ends a packet's way through these chains; a seat that is empty lets it go on to the next rule of the caller.

    A packet may read one map before a transaction and the next one after it. Then the slot that it drew is empty, and `first`
    finds a backend of the new table.
    """
    chains = ""
    for space in Space:
        key, named = space.key(family), space.chain
        chains += f"""
    chain {named(DELIVER)} {{
        dnat {WORDS[family]} to {key} . meta priority map @{space.map(BACKENDS)}
    }}
    chain {named(SEAT)} {{
        meta priority set {key} . meta priority map @{space.map(SEATS)} goto {named(DELIVER)}
    }}
    chain {named(FIRST[0])} {{
        meta priority set none jump {named(DELIVER)}
        meta priority set none goto {named(SEAT)}
    }}
    chain {named(FIRST[INSIDE])} {{
        meta priority set 0:{INSIDE:x} jump {named(DELIVER)}
        meta priority set 0:{INSIDE:x} jump {named(SEAT)}
        goto {named(FIRST[0])}
    }}
"""
    return chains


def _needed(family: Family) -> str:
    """No packet comes here. A kernel that cannot hold what `rules` writes refuses this too: at the start, not with the first
    Service.
    """
    affinity, source, destination = Space.ADDRESS.map(AFFINITY), f"{WORDS[family]} saddr", f"{WORDS[family]} daddr"
    if family is Family.IPV6:
        source, destination = (f"jhash {each} mod {HASH_MODULUS} seed {HASH_SEED}" for each in (source, destination))
    client = f"{source} . {destination} . meta l4proto . th dport"
    return f"""
    chain needed {{
        meta mark set numgen random mod 2
        update @{affinity} {{ {client} timeout 1s : meta priority }}
        delete @{affinity} {{ {client} : meta priority }}
    }}
"""


def _hooks(family: Family) -> str:
    ip, mark, found = WORDS[family], f"0x{MASQUERADE_MARK:x}", Space.ADDRESS.key(family)
    return f"""
    chain isolate {{
        type filter hook prerouting priority raw; policy accept;
{_loopback_guard(family)}        {ip} daddr @{CLUSTER_IPS} {ip} saddr != @{CLUSTER_SOURCES} drop
    }}
    chain services {{
        {found} vmap @{FRONTENDS}
        {_at_node_port(family)} vmap @{Space.NODE_PORT.map(FRONTENDS)}
        {found} vmap @{Space.RANGE.map(FRONTENDS)}
        {_ECHO_REQUEST[family]} dnat to {ip} daddr map @{PINGS}
    }}
    chain services-prerouting {{
        type nat hook prerouting priority {BEFORE_OTHERS}; policy accept;
        goto services
    }}
    chain services-output {{
        type nat hook output priority {BEFORE_OTHERS}; policy accept;
        goto services
    }}
{_counting(family)}
    chain sources {{
        type nat hook postrouting priority srcnat; policy accept;
        ct status dnat jump count-connection
        meta mark & {mark} == {mark} meta mark set meta mark & 0x{0xFFFFFFFF ^ MASQUERADE_MARK:x} masquerade
        ct status dnat oifname != "lo" fib saddr type local masquerade
        ct status dnat oifname != "lo" {_hairpin(family)} masquerade
    }}
    chain sources-input {{
        type nat hook input priority 100; policy accept;
        ct status dnat jump count-connection
    }}
"""


def _loopback_guard(family: Family) -> str:
    """NodePorts on 127.0.0.1 need `route_localnet`, which would let neighbours reach the node's loopback (CVE-2020-8558).

    In IPv6 the kernel drops packets to and from ::1 that come over a wire.
    """
    if family is Family.IPV6:
        return ""
    return """        ip daddr 127.0.0.0/8 iifname != "lo" drop
        ip saddr 127.0.0.0/8 iifname != "lo" drop
"""


def _at_node_port(family: Family) -> str:
    """True for packets to an address of the node at which NodePorts are served."""
    return f"{WORDS[family]} daddr @{NODE_PORT_ADDRESSES} fib daddr type local {Space.NODE_PORT.key(family)}"


def _counting(family: Family) -> str:
    """To look an element up counts as well, and costs half of an `update`, which makes it where it is missing. What tracking
    would tell of the endpoint stands in the packet too, and is read there faster.
    """
    ip = WORDS[family]
    frontend = f"ct original {ip} daddr . meta l4proto . ct original proto-dst"
    requests, replies = f"{frontend} . {ip} daddr", f"{frontend} . {ip} saddr"
    return f"""
    chain count-packet {{
        ct direction reply goto count-reply
{_for_each_protocol(f"{requests} @{REQUESTS} accept", f"update @{REQUESTS} {{ {requests} }} accept")}    }}
    chain count-reply {{
{_for_each_protocol(f"{replies} @{REPLIES} accept", f"update @{REPLIES} {{ {replies} }} accept")}    }}
    chain count-connection {{
{_for_each_protocol(f"update @{CONNECTIONS} {{ {requests} }} return")}    }}
"""


def _for_each_protocol(*rules: str) -> str:
    """nft reads a tracked port where it knows of which protocol."""
    return "".join(f"        meta l4proto {each} {rule}\n" for each in ("tcp", "udp", "sctp") for rule in rules)


def _undelivered(family: Family) -> str:
    """A packet between two processes of the node comes by twice, and is counted where it is sent.

    What tracking takes for invalid, such as a segment outside its window, is not translated back. A client that got one would
    answer with a reset, and end the connection at the backend (kubernetes/kubernetes 74839). So it is not forwarded; and where
    it ends at the node, whose address masquerading gave to the client, the node's reset is not sent.
    """
    ip, found, at_node_port = WORDS[family], Space.ADDRESS.key(family), _at_node_port(family)
    node_port, ranges = Space.NODE_PORT.map, Space.RANGE.map
    return f"""
    chain undelivered {{
        ct state established,related,invalid return
        ct status dnat return
        {_ECHO_REQUEST[family]} {ip} daddr @{UNREACHABLE} reject with {_HOST_UNREACHABLE[family]}
        {found} @{DROPPED} goto {SWALLOW}
        {found} @{REJECTED} goto refuse
        {at_node_port} @{node_port(DROPPED)} goto {SWALLOW}
        {at_node_port} @{node_port(REJECTED)} goto refuse
        {found} @{ranges(DROPPED)} goto {SWALLOW}
        {found} @{ranges(REJECTED)} goto refuse
        {ip} daddr @{CLUSTER_IPS} goto refuse
        {ip} daddr @{LOAD_BALANCER_IPS} meta l4proto {{ tcp, udp, sctp }} goto refuse
        {ip} daddr @{SERVICE_CIDRS} goto {SWALLOW}
    }}
    chain {SWALLOW} {{
        update @{REFUSALS} {{ {found} }}
        drop
    }}
    chain refuse {{
        update @{REFUSALS} {{ {found} }}
        meta l4proto tcp reject with tcp reset
        reject
    }}
    chain undelivered-input {{
        type filter hook input priority filter; policy accept;
        ct status dnat iifname != "lo" goto count-packet
        goto undelivered
    }}
    chain undelivered-forward {{
        type filter hook forward priority filter; policy accept;
        ct status dnat goto count-packet
        meta l4proto tcp ct state invalid drop
        goto undelivered
    }}
    chain undelivered-output {{
        type filter hook output priority filter; policy accept;
        ct status dnat goto count-packet
        ct state invalid tcp flags & rst == rst drop
        goto undelivered
    }}
"""


def _hairpin(family: Family) -> str:
    """True where the source and destination addresses are equal. nftables cannot compare two fields of a packet before
    Linux 6.13, but it can look up each pair of bytes in the set of equal pairs. The last bytes differ soonest.
    """
    source, destination, length = _ADDRESS_OFFSETS[family]
    pairs = ((8 * (source + byte), 8 * (destination + byte)) for byte in reversed(range(length)))
    return " ".join(f"@nh,{left},8 . @nh,{right},8 @equal_bytes" for left, right in pairs)


def _equal_bytes() -> str:
    return ", ".join(f"{byte} . {byte}" for byte in range(256))
