"""What the program needs of a kernel, each as the smallest rules that need it: a kernel that refuses the program is asked for
one after the other, so that the error names what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from moorage.datapath.nft.spaces import WORDS
from moorage.model.net import Family

PROBE = "moorage-probe"
"""The table that the rules are tried in. They are never put in place."""


class Feature(msgspec.Struct, frozen=True):
    """`option` is the kernel's build option or first version; IP stands for IPV4 or IPV6 in it. `rules` are the body of a
    table, in which ip stands for the family. `word` is a part of the program that needs it.
    """

    name: str
    option: str
    word: str
    rules: str

    def of(self, family: Family) -> str:
        """The option, or version, for one family."""
        return self.option.replace("_IP", f"_{family.name}")

    def probe(self, family: Family) -> str:
        """Text for `nft -c -f`."""
        body = self.rules
        if family is Family.IPV6:
            for word, other in _IPV6_WORDS:
                body = body.replace(word, other)
        return f"table {WORDS[family]} {PROBE} {{\n{body}\n}}\n"


_IPV6_WORDS = (
    ("ip ttl", "ip6 hoplimit"),
    ("ip saddr", "ip6 saddr"),
    ("ip daddr", "ip6 daddr"),
    ("dnat ip", "dnat ip6"),
    ("ipv4_addr", "ipv6_addr"),
)


def _rule(text: str) -> str:
    return f"chain probe {{\n{text}\n}}"


_BACKENDS = "map m { typeof ip daddr . meta l4proto . th dport . meta priority : ip daddr . th dport; }\n"
_CLIENTS = "map m { typeof th dport : meta priority; flags dynamic,timeout; size 16; }\n"

TABLES = Feature("tables of this family", "CONFIG_NF_TABLES_IP", "table ", "")
"""Without it nothing else can be tried."""

FEATURES: tuple[Feature, ...] = (
    Feature(
        "keys of several fields",
        "Linux 4.1",
        "th dport : verdict",
        "map m { typeof ip daddr . meta l4proto . th dport : verdict; }\n"
        + _rule("ip daddr . meta l4proto . th dport vmap @m"),
    ),
    Feature("sets of ranges", "Linux 3.13", "saddr; flags interval", "set s { typeof ip saddr; flags interval; }"),
    Feature(
        "ranges in keys of several fields",
        "Linux 5.6",
        "verdict; flags interval",
        "map m { typeof ip daddr . meta l4proto . th dport : verdict; flags interval; }\n"
        + _rule("ip daddr . meta l4proto . th dport vmap @m"),
    ),
    Feature(
        "maps that rules write to, with timeouts",
        "Linux 4.1",
        "flags dynamic,timeout",
        _CLIENTS + _rule("meta l4proto tcp update @m { th dport timeout 1s : meta priority }"),
    ),
    Feature(
        "rules that delete elements",
        "Linux 5.4",
        "delete @affinity",
        _CLIENTS + _rule("meta l4proto tcp delete @m { th dport : meta priority }"),
    ),
    Feature(
        "counters in the elements of sets",
        "Linux 5.7, CONFIG_NFT_COUNTER",
        "counter;",
        "set s { type ipv4_addr; flags dynamic; size 16; counter; }\n" + _rule("update @s { ip saddr }"),
    ),
    Feature("the priority of packets", "CONFIG_NFT_META", "meta priority set", _rule("meta priority set 1")),
    Feature("the mark of packets", "CONFIG_NFT_META", "meta mark set", _rule("meta mark & 1 == 1 meta mark set meta mark & 2")),
    Feature(
        "bytes of packets",
        "Linux 3.13",
        "@nh,",
        "set s { typeof ip ttl . ip ttl; }\n" + _rule("@nh,96,8 . @nh,128,8 @s return"),
    ),
    Feature("the state of connections", "CONFIG_NFT_CT", "ct state", _rule("ct state established,related,invalid return")),
    Feature("the status of connections", "CONFIG_NFT_CT", "ct status dnat", _rule("ct status dnat return")),
    Feature("the direction of packets", "CONFIG_NFT_CT", "ct direction", _rule("ct direction reply return")),
    Feature(
        "the first address of connections",
        "Linux 4.17, CONFIG_NFT_CT",
        "ct original ip daddr",
        "set s { typeof ip daddr . ip daddr; }\n"
        + _rule("ct original ip daddr . ip daddr @s meta l4proto tcp ct original proto-dst 1 return"),
    ),
    Feature(
        "addresses of the machine (fib)", "CONFIG_NFT_FIB_IP", "fib saddr type local", _rule("fib saddr type local return")
    ),
    Feature("random numbers (numgen)", "CONFIG_NFT_NUMGEN", "numgen random", _rule("meta mark set numgen random mod 2")),
    Feature("hashes (jhash)", "CONFIG_NFT_HASH", "jhash", _rule("meta mark set jhash ip saddr mod 4 seed 1")),
    Feature(
        "chains that translate addresses",
        "CONFIG_NFT_NAT, CONFIG_NF_NAT",
        "type nat hook",
        "\n".join(
            f"chain {hook} {{\ntype nat hook {hook} priority 0;\n}}"
            for hook in ("prerouting", "input", "output", "postrouting")
        ),
    ),
    Feature(
        "translation of destinations (dnat)",
        "CONFIG_NFT_NAT",
        "dnat ip to",
        _BACKENDS + _rule("dnat ip to ip daddr . meta l4proto . th dport . meta priority map @m"),
    ),
    Feature("translation of sources (masquerade)", "CONFIG_NFT_MASQ", "masquerade", _rule("masquerade")),
    Feature("refusals (reject)", "CONFIG_NFT_REJECT_IP", "reject", _rule("meta l4proto tcp reject with tcp reset\nreject")),
)

Missing = Mapping[Feature, Sequence[Family]]


def lacking(missing: Missing, release: str, said: str) -> str:
    """The error, in one line. `release` is the kernel's (`uname -r`), `said` what nft said of the program."""
    if not missing:
        return f"nft refused the ruleset: {said}"
    lacks = "; ".join(_named(feature, families) for feature, families in missing.items())
    return (
        f"this kernel ({release}) cannot hold the rules of Services, it lacks {lacks}. "
        "Load the modules of these options, or use a kernel that has them (Linux 5.10 or newer, as distributions build it)"
    )


def _named(feature: Feature, families: Iterable[Family]) -> str:
    """`refusals (reject): CONFIG_NFT_REJECT_IPV4, CONFIG_NFT_REJECT_IPV6`"""
    return f"{feature.name}: {', '.join(dict.fromkeys(map(feature.of, families)))}"
