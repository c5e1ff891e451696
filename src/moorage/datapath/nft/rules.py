"""Chains that pick a backend, as netlink messages.

`nft` could write them as text, but reads every element of the table first; the messages cost microseconds. The expressions are
those that nft itself makes of the rules that each function quotes, so that `nft list` shows them and can load them again.

A backend's seat is carried from rule to rule in the packet's priority (`meta priority`, `skb->priority`), the one field that
rules can write, that nobody reads before forwarding sets it anew, and that needs no bits of the packet mark.

Register 8 (`NFT_REG32_00`) onward hold 32 bits each; register 0 is the verdict.
"""

from __future__ import annotations

import struct

from moorage.datapath import netlink
from moorage.datapath.netlink import Message, attribute, be32, nested, text
from moorage.datapath.nft.chains import (
    DELIVER,
    FIRST,
    GOTO,
    JUMP,
    SEAT,
    SWALLOW,
    AssignChain,
    Chain,
    DrawChain,
    GuardChain,
    KnownChain,
    MasqueradeChain,
    SplitChain,
    read_chain,
)  # fmt: skip
from moorage.datapath.nft.messages import Table, request
from moorage.datapath.nft.ruleset import MASQUERADE_MARK
from moorage.datapath.nft.spaces import ADMITTED, AFFINITY, HASH_MODULUS, HASH_SEED, PODS_HERE, SEATS, Space
from moorage.model.net import Family

Rule = tuple[bytes, ...]

_NEWCHAIN, _NEWRULE = 3, 6
_CHAIN_TABLE, _CHAIN_NAME = 1, 3
_RULE_TABLE, _RULE_CHAIN, _RULE_EXPRESSIONS = 1, 2, 4
_LIST_ELEM, _EXPR_NAME, _EXPR_DATA = 1, 1, 2
_DATA_VALUE = 1

_FIRST, _HASHED, _LAST_FOUR, _VERDICT = 8, 12, 20, 0
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2
_SADDR_OFFSET = {Family.IPV4: 12, Family.IPV6: 8}
_DADDR_OFFSET = {Family.IPV4: 16, Family.IPV6: 24}
_META_PRIORITY, _META_MARK, _META_L4PROTO = 2, 3, 16
_RANDOM = 1
_ADD, _UPDATE, _DELETE = 0, 1, 2
_FIB_ADDRTYPE, _FIB_SADDR, _RTN_LOCAL = 3, 1, 2


def chain_messages(table: Table, name: str) -> list[Message]:
    """A chain and its rules; the chains that it leads to have to be there, or in the same batch before."""
    chain = read_chain(name)
    if chain is None:
        raise ValueError(f"{name} is no chain that picks a backend")
    body = text(_CHAIN_TABLE, table.name) + text(_CHAIN_NAME, name)
    what = f"add chain {name} ({table.family.value})"
    new = Message(request(table, _NEWCHAIN, netlink.NLM_F_CREATE | netlink.NLM_F_EXCL, body), what)
    return [new, *(Message(_rule(table, name, rule), what) for rule in _rules(table.family, chain))]


def _rule(table: Table, chain: str, expressions: Rule) -> bytes:
    body = text(_RULE_TABLE, table.name) + text(_RULE_CHAIN, chain) + nested(_RULE_EXPRESSIONS, *expressions)
    return request(table, _NEWRULE, netlink.NLM_F_CREATE | netlink.NLM_F_APPEND, body)


def _rules(family: Family, chain: Chain) -> list[Rule]:
    match chain:
        case GuardChain(space, rest):
            return _guard(family, space, rest)
        case MasqueradeChain(rest):
            return [(*_set_mark(), _verdict(GOTO, rest))]
        case SplitChain(inside, outside):
            return _split(family, inside, outside)
        case DrawChain(space, _, offset, 0):
            deliver, first = space.chain(DELIVER), space.chain(FIRST[offset])
            return [(*_draw(family, chain), _verdict(JUMP, deliver)), (_verdict(GOTO, first),)]
        case DrawChain():
            return _draw_and_keep(family, chain)
        case KnownChain(space, seconds):
            return _known(family, space, seconds)
        case AssignChain(space, seconds):
            return [_assign(family, space, seconds)]


def _guard(family: Family, space: Space, rest: str) -> list[Rule]:
    """KEY . saddr != @admitted goto swallow; goto REST"""
    key, after = _key(family, space, _FIRST)
    source = _address(family, _SADDR_OFFSET, after)
    kept_out: Rule = (*key, source, _lookup(space.map(ADMITTED), _FIRST, inverted=True), _verdict(GOTO, SWALLOW))
    return [kept_out, (_verdict(GOTO, rest),)] if rest else [kept_out]


def _split(family: Family, inside: str, outside: str) -> list[Rule]:
    """fib saddr type local goto INSIDE; saddr @pods_here goto INSIDE; goto OUTSIDE"""
    rules: list[Rule] = [
        (
            _expression("fib", be32(1, _FIRST), be32(2, _FIB_ADDRTYPE), be32(3, _FIB_SADDR)),
            _expression("cmp", be32(1, _FIRST), be32(2, 0), nested(3, attribute(_DATA_VALUE, struct.pack("=I", _RTN_LOCAL)))),
            _verdict(GOTO, inside),
        ),
        (_address(family, _SADDR_OFFSET, _FIRST), _lookup(PODS_HERE, _FIRST), _verdict(GOTO, inside)),
    ]
    return [*rules, (_verdict(GOTO, outside),)] if outside else rules


def _draw_and_keep(family: Family, chain: DrawChain) -> list[Rule]:
    """A client that is known is delivered at once. The third rule serves while the kernel's memory for clients is full."""
    space, seat = chain.space, chain.space.chain(SEAT)
    return [
        (_verdict(JUMP, space.chain(f"known-{chain.seconds}")),),
        (*_draw(family, chain), _verdict(JUMP, space.chain(f"assign-{chain.seconds}"))),
        (*_draw(family, chain), _verdict(JUMP, seat)),
        (_verdict(GOTO, space.chain(FIRST[chain.offset])),),
    ]


def _known(family: Family, space: Space, seconds: int) -> list[Rule]:
    """meta priority set CLIENT map @affinity, update @affinity { CLIENT timeout T : meta priority }, jump deliver;
    delete @affinity { CLIENT }

    Whoever comes back from `deliver` has a seat whose backend is gone.
    """
    affinity = space.map(AFFINITY)
    key, after = _client_key(family, space)
    remembered = (*key, _lookup(affinity, _FIRST, _FIRST), _set_priority(_FIRST))
    return [
        (*remembered, *_remember(family, space, _UPDATE, seconds), _verdict(JUMP, space.chain(DELIVER))),
        (*key, _meta(after, _META_PRIORITY), _dynset(affinity, _DELETE, _FIRST, after)),
    ]


def _assign(family: Family, space: Space, seconds: int) -> Rule:
    """meta priority set KEY . meta priority map @seats, add @affinity { CLIENT timeout T : meta priority }, jump deliver"""
    key, after = _key(family, space, _FIRST)
    seat = (*key, _meta(after, _META_PRIORITY), _lookup(space.map(SEATS), _FIRST, _FIRST), _set_priority(_FIRST))
    return (*seat, *_remember(family, space, _ADD, seconds), _verdict(JUMP, space.chain(DELIVER)))


def _remember(family: Family, space: Space, operation: int, seconds: int) -> Rule:
    key, after = _client_key(family, space)
    return (*key, _meta(after, _META_PRIORITY), _dynset(space.map(AFFINITY), operation, _FIRST, after, seconds))


def _client_key(family: Family, space: Space) -> tuple[Rule, int]:
    """CLIENT from the first register on, and the register after it: saddr . KEY, in IPv6 with hashes in place of addresses."""
    if family is Family.IPV4:
        key, after = _key(family, space, _FIRST + 1)
        return (_address(family, _SADDR_OFFSET, _FIRST), *key), after
    fields, register = [*_hashed(_SADDR_OFFSET, _FIRST)], _FIRST + 1
    if space is not Space.NODE_PORT:
        fields += _hashed(_DADDR_OFFSET, register)
        register += 1
    ports, after = _protocol_and_port(space, register)
    return (*fields, *ports), after


def _hashed(offsets: dict[Family, int], register: int) -> Rule:
    """jhash ADDRESS mod 4294967295 seed 1, by way of the last registers"""
    return (
        _address(Family.IPV6, offsets, _LAST_FOUR),
        _expression(
            "hash", be32(1, _LAST_FOUR), be32(2, register), be32(3, 16), be32(4, HASH_MODULUS), be32(5, HASH_SEED), be32(7, 0)
        ),
    )


def _key(family: Family, space: Space, register: int) -> tuple[Rule, int]:
    """The fields that name a frontend, each in registers of its own, and the register after them."""
    if space is Space.NODE_PORT:
        return _protocol_and_port(space, register)
    ports, after = _protocol_and_port(space, register + family.bits // 32)
    return (_address(family, _DADDR_OFFSET, register), *ports), after


def _protocol_and_port(space: Space, register: int) -> tuple[Rule, int]:
    protocol = _meta(register, _META_L4PROTO)
    if space is Space.RANGE:
        return (protocol,), register + 1
    return (protocol, _payload(register + 1, _TRANSPORT_HEADER, 2, 2)), register + 2


def _draw(family: Family, chain: DrawChain) -> Rule:
    if chain.hashed:
        return (*_hash_of_client(family, chain), _set_priority(_FIRST))
    drawn = _expression("numgen", be32(1, _FIRST), be32(2, chain.slots), be32(3, _RANDOM), be32(4, chain.offset))
    return drawn, _set_priority(_FIRST)


def _hash_of_client(family: Family, chain: DrawChain) -> Rule:
    """jhash saddr . sport . daddr . dport mod SLOTS seed 1; jhash saddr . daddr where a client is kept"""
    fields, register = list[bytes](), _HASHED
    for offsets, port in ((_SADDR_OFFSET, 0), (_DADDR_OFFSET, 2)):
        fields.append(_address(family, offsets, register))
        register += family.bits // 32
        if not chain.seconds:
            fields.append(_payload(register, _TRANSPORT_HEADER, port, 2))
            register += 1
    length = be32(3, 4 * (register - _HASHED))
    drawn = be32(1, _HASHED), be32(2, _FIRST), length, be32(4, chain.slots), be32(5, HASH_SEED), be32(6, chain.offset)
    return (*fields, _expression("hash", *drawn, be32(7, 0)))


def _set_priority(register: int) -> bytes:
    return _expression("meta", be32(2, _META_PRIORITY), be32(3, register))


def _set_mark() -> Rule:
    mask = attribute(_DATA_VALUE, struct.pack("=I", 0xFFFFFFFF ^ MASQUERADE_MARK))
    bit = attribute(_DATA_VALUE, struct.pack("=I", MASQUERADE_MARK))
    return (
        _meta(_FIRST, _META_MARK),
        _expression("bitwise", be32(1, _FIRST), be32(2, _FIRST), be32(3, 4), nested(4, mask), nested(5, bit)),
        _expression("meta", be32(2, _META_MARK), be32(3, _FIRST)),
    )


def _verdict(code: int, chain: str) -> bytes:
    return _expression("immediate", be32(1, _VERDICT), nested(2, nested(2, be32(1, code), text(2, chain))))


def _address(family: Family, offsets: dict[Family, int], register: int) -> bytes:
    return _payload(register, _NETWORK_HEADER, offsets[family], family.bits // 8)


def _payload(register: int, base: int, offset: int, length: int) -> bytes:
    return _expression("payload", be32(1, register), be32(2, base), be32(3, offset), be32(4, length))


def _meta(register: int, key: int) -> bytes:
    return _expression("meta", be32(1, register), be32(2, key))


def _lookup(name: str, source: int, destination: int | None = None, inverted: bool = False) -> bytes:
    """`inverted`: true where the map has no such key (`NFT_LOOKUP_F_INV`)."""
    into = (be32(3, destination),) if destination is not None else ()
    return _expression("lookup", text(1, name), be32(2, source), *into, be32(5, inverted))


def _dynset(name: str, operation: int, key: int, data: int, seconds: int = 0) -> bytes:
    """`seconds` 0 leaves the timeout out."""
    timeout = (attribute(6, struct.pack(">Q", seconds * 1000)),) if seconds else ()
    return _expression("dynset", text(1, name), be32(3, operation), be32(4, key), be32(5, data), *timeout)


def _expression(name: str, *fields: bytes) -> bytes:
    """Field numbers are those of `enum nft_NAME_attributes`."""
    return nested(_LIST_ELEM, text(_EXPR_NAME, name), nested(_EXPR_DATA, *fields))
