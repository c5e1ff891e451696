"""What the kernel lists of chains and rules -> the program as a value that can be compared.

The kernel lists a rule as the expressions that it was made of, so two tables that were loaded from one text list alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from moorage.datapath import netlink
from moorage.datapath.netlink import Message, Reply
from moorage.datapath.nft.chains import (
    OPENED,
    DrawChain,
    GuardChain,
    MasqueradeChain,
    SplitChain,
    read_chain,
)  # fmt: skip
from moorage.datapath.nft.messages import Table, request
from moorage.model.net import Family

_GETRULE = 7
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK, _CHAIN_POLICY, _CHAIN_TYPE = 1, 3, 4, 5, 7
_RULE_TABLE, _RULE_CHAIN, _RULE_EXPRESSIONS = 1, 2, 4

Program = Mapping[str, tuple[bytes, ...]]
"""Chain -> where it is hooked in, and its rules in order."""


def list_rules(family: Family) -> Message:
    return Message(request(Table(family, ""), _GETRULE, netlink.NLM_F_DUMP, b""), f"list the rules of {family.value}")


def read_program(table: Table, chains: Iterable[Reply], rules: Iterable[Reply]) -> Program:
    found: dict[str, list[bytes]] = {}
    for reply in chains:
        fields = dict(netlink.attributes(reply.body))
        if _string(fields[_CHAIN_TABLE]) == table.name:
            hooked = b"".join(fields.get(each, b"") for each in (_CHAIN_TYPE, _CHAIN_HOOK, _CHAIN_POLICY))
            found[_string(fields[_CHAIN_NAME])] = [hooked]
    for reply in rules:
        fields = dict(netlink.attributes(reply.body))
        if _string(fields[_RULE_TABLE]) == table.name:
            found.setdefault(_string(fields[_RULE_CHAIN]), [b""]).append(fields.get(_RULE_EXPRESSIONS, b""))
    return {name: tuple(parts) for name, parts in found.items()}


def difference(expected: Program, found: Program) -> Iterator[str]:
    """What is wrong with a program, in words. Empty where it is as expected."""
    for name in sorted((expected.keys() | found.keys()) - {OPENED}):
        if name not in found:
            yield f"chain {name} is missing"
        elif name not in expected:
            yield f"chain {name} is not ours"
        elif expected[name] != found[name]:
            yield f"chain {name} has other rules"


def in_order(chains: Iterable[str]) -> list[str]:
    """Those that pick a backend, each after the chains that it leads to."""
    ranks = {DrawChain: 1, SplitChain: 2, MasqueradeChain: 3, GuardChain: 4}
    read = {name: read_chain(name) for name in chains}
    ours = [name for name, chain in read.items() if chain is not None]
    return sorted(ours, key=lambda name: (ranks.get(type(read[name]), 0), name))


def _string(data: bytes) -> str:
    return data.rstrip(b"\0").decode()
