"""The chains that pick a backend among N, as netlink messages: the only rules that appear while an agent runs.

    chain pick-N        dnat to daddr . l4proto . dport . (random mod N) in @backends
                        go to first-slot: the same with slot 0
    chain masq-pick-N   set the mark for masquerading, go to pick-N

A random slot of N is an exact uniform choice. The second rule serves a packet that has read the number of backends just
before one was taken away and found its slot empty just after.

`nft` could write them as text, but reads every element of the table first; the messages cost microseconds. Register 8
(`NFT_REG32_00`) onward hold the fields of the key, each from a register of its own; the value lands on the same ones.
"""

from __future__ import annotations

import struct

from moorage.datapath import netlink
from moorage.datapath.netlink import Message, attribute, be32, nested, text
from moorage.datapath.nft.elements import chain_meaning, chain_name
from moorage.datapath.nft.messages import Table, request, verdict
from moorage.datapath.nft.ruleset import BACKENDS, FIRST_SLOT, MASQUERADE_MARK
from moorage.model.net import Family

_NEWCHAIN, _NEWRULE = 3, 6
_CHAIN_TABLE, _CHAIN_NAME = 1, 3
_RULE_TABLE, _RULE_CHAIN, _RULE_EXPRESSIONS = 1, 2, 4
_LIST_ELEM, _EXPR_NAME, _EXPR_DATA = 1, 1, 2

_FIRST = 8
_VERDICT_REGISTER = 0
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2
_DADDR_OFFSET = {Family.IPV4: 16, Family.IPV6: 24}
_META_MARK, _META_L4PROTO = 3, 16
_RANDOM = 1
_DNAT = 1


def chain_messages(table: Table, name: str) -> list[Message]:
    """A pick chain and its rules; `masq-pick-N` needs `pick-N`, which has to be there or in the same batch before."""
    meaning = chain_meaning(name)
    if meaning is None:
        raise ValueError(f"{name} is no pick chain")
    count, masquerade = meaning
    rules = [_masquerade_rule(count)] if masquerade else [_pick_rule(table.family, count), (_goto(FIRST_SLOT),)]
    body = text(_CHAIN_TABLE, table.name) + text(_CHAIN_NAME, name)
    what = f"add chain {name} ({table.family.value})"
    new = Message(request(table, _NEWCHAIN, netlink.NLM_F_CREATE | netlink.NLM_F_EXCL, body), what)
    return [new, *(Message(_rule(table, name, rule), what) for rule in rules)]


def _rule(table: Table, chain: str, expressions: tuple[bytes, ...]) -> bytes:
    body = text(_RULE_TABLE, table.name) + text(_RULE_CHAIN, chain) + nested(_RULE_EXPRESSIONS, *expressions)
    return request(table, _NEWRULE, netlink.NLM_F_CREATE | netlink.NLM_F_APPEND, body)


def _pick_rule(family: Family, count: int) -> tuple[bytes, ...]:
    words = family.bits // 32
    protocol, port, slot = _FIRST + words, _FIRST + words + 1, _FIRST + words + 2
    return (
        _payload(_FIRST, _NETWORK_HEADER, _DADDR_OFFSET[family], family.bits // 8),
        _expression("meta", be32(1, protocol), be32(2, _META_L4PROTO)),
        _payload(port, _TRANSPORT_HEADER, 2, 2),
        _expression("numgen", be32(1, slot), be32(2, count), be32(3, _RANDOM), be32(4, 0)),
        _expression("lookup", text(1, BACKENDS), be32(2, _FIRST), be32(3, _FIRST)),
        _expression("nat", be32(1, _DNAT), be32(2, netlink.NFPROTO[family]), be32(3, _FIRST), be32(5, _FIRST + words)),
    )


def _masquerade_rule(count: int) -> tuple[bytes, ...]:
    mask = attribute(1, struct.pack("=I", 0xFFFFFFFF ^ MASQUERADE_MARK))
    bit = attribute(1, struct.pack("=I", MASQUERADE_MARK))
    return (
        _expression("meta", be32(1, _FIRST), be32(2, _META_MARK)),
        _expression("bitwise", be32(1, _FIRST), be32(2, _FIRST), be32(3, 4), nested(4, mask), nested(5, bit)),
        _expression("meta", be32(2, _META_MARK), be32(3, _FIRST)),
        _goto(chain_name(count, False)),
    )


def _goto(chain: str) -> bytes:
    return _expression("immediate", be32(1, _VERDICT_REGISTER), nested(2, verdict(chain)))


def _payload(register: int, base: int, offset: int, length: int) -> bytes:
    return _expression("payload", be32(1, register), be32(2, base), be32(3, offset), be32(4, length))


def _expression(name: str, *fields: bytes) -> bytes:
    """Field numbers are those of `enum nft_NAME_attributes`."""
    return nested(_LIST_ELEM, text(_EXPR_NAME, name), nested(_EXPR_DATA, *fields))
