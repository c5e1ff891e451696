"""The constant nftables program as text, one table for one family. A Service is elements of its maps, never a rule.

The hook of each chain is the earliest or latest place where its question can be answered:

    prerouting, raw        isolate      a packet from outside to a cluster address is dropped before it is tracked
    prerouting, dstnat     services     a new connection to a frontend is sent to a backend
    output, dstnat         services     the same for a connection that starts on this node
    postrouting, srcnat    sources      the source is rewritten where the frontend asks for it, and for hairpins
    input, forward, output undelivered  what should have been translated and was not is answered

Chains `pick-N` and `masq-pick-N`, one pair for each number of backends that occurs, are written by `chains`.
"""

from __future__ import annotations

import hashlib

from moorage.model.net import Family

FRONTENDS = "frontends"
"""Map: daddr . l4proto . dport -> goto pick-N or masq-pick-N."""
BACKENDS = "backends"
"""Map: daddr . l4proto . dport . slot -> backend address . port; the slots of a frontend are 0 to N-1."""
REJECTED = "rejected"
"""Set: daddr . l4proto . dport of frontends that have no backend and refuse connections."""
DROPPED = "dropped"
"""Set: the same for those that swallow them."""
CLUSTER_IPS = "cluster_ips"
"""Set: addresses that may be reached only from inside the cluster."""
CLUSTER_SOURCES = "cluster_sources"
"""Interval set: source addresses that count as inside. What the node itself sends is inside without being listed."""

FIRST_SLOT = "first-slot"
"""Chain: what a packet does whose slot has just gone (see `chains`)."""

MASQUERADE_MARK = 0x4000
"""The one bit of the packet mark that this program sets, and clears again in postrouting. kube-proxy uses the same one."""

WORDS = {Family.IPV4: "ip", Family.IPV6: "ip6"}
"""How nft spells the families."""

_BYTE_FIELD = {Family.IPV4: "ip ttl", Family.IPV6: "ip6 hoplimit"}
"""A field of one byte: what `typeof` needs to declare a set of bytes."""

_LAYOUT = "moorage layout 1 "
"""The number counts versions of what is not text here: the rules in `chains` and the encoding of elements."""
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
    return _maps(family) + _chains(family)


def _frontend(family: Family) -> str:
    return f"{WORDS[family]} daddr . meta l4proto . th dport"


def _maps(family: Family) -> str:
    ip, frontend, byte = WORDS[family], _frontend(family), _BYTE_FIELD[family]
    return f"""
    map {FRONTENDS} {{ typeof {frontend} : verdict; }}
    map {BACKENDS} {{ typeof {frontend} . numgen random mod 65536 : {ip} daddr . th dport; }}
    set {REJECTED} {{ typeof {frontend}; }}
    set {DROPPED} {{ typeof {frontend}; }}
    set {CLUSTER_IPS} {{ typeof {ip} daddr; }}
    set {CLUSTER_SOURCES} {{ typeof {ip} saddr; flags interval; }}
    set equal_bytes {{ typeof {byte} . {byte}; elements = {{ {_equal_bytes()} }} }}
"""


def _chains(family: Family) -> str:
    ip, frontend, mark = WORDS[family], _frontend(family), f"0x{MASQUERADE_MARK:x}"
    return f"""
    chain isolate {{
        type filter hook prerouting priority raw; policy accept;
        {ip} daddr @{CLUSTER_IPS} {ip} saddr != @{CLUSTER_SOURCES} drop
    }}
    chain services {{
        {frontend} vmap @{FRONTENDS}
    }}
    chain {FIRST_SLOT} {{
        dnat {ip} to {frontend} . numgen random mod 1 map @{BACKENDS}
    }}
    chain services-prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        goto services
    }}
    chain services-output {{
        type nat hook output priority -100; policy accept;
        goto services
    }}
    chain sources {{
        type nat hook postrouting priority srcnat; policy accept;
        meta mark & {mark} == {mark} meta mark set meta mark & 0x{0xFFFFFFFF ^ MASQUERADE_MARK:x} masquerade
        ct status dnat oifname != "lo" {_hairpin(family)} masquerade
    }}
    chain undelivered {{
        ct state established,related,invalid return
        ct status dnat return
        {frontend} @{DROPPED} drop
        {frontend} @{REJECTED} goto refuse
        {ip} daddr @{CLUSTER_IPS} goto refuse
    }}
    chain refuse {{
        meta l4proto tcp reject with tcp reset
        reject
    }}
    chain undelivered-input {{
        type filter hook input priority filter; policy accept;
        goto undelivered
    }}
    chain undelivered-forward {{
        type filter hook forward priority filter; policy accept;
        meta l4proto tcp ct state invalid drop
        goto undelivered
    }}
    chain undelivered-output {{
        type filter hook output priority filter; policy accept;
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
