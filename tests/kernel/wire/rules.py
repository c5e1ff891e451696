"""Plain nft rules for the node of a `WireNode`."""

from __future__ import annotations

import subprocess
from ipaddress import ip_address

from moorage.datapath.nft.spaces import WORDS
from moorage.model.net import Address, Family
from tests.kernel.topology import Namespace

VIP: dict[Family, Address] = {Family.IPV4: ip_address("10.96.0.10"), Family.IPV6: ip_address("fd00:96::10")}
_PRIORITIES = {"prerouting": "dstnat", "output": "-100"}


def load(namespace: Namespace, text: str) -> None:
    """In place of all rules there are."""
    command = ["nft", "-f", "-"]
    done = namespace.run(
        lambda: subprocess.run(command, input=f"flush ruleset\n{text}", capture_output=True, text=True, check=False)
    )
    if done.returncode:
        raise RuntimeError(done.stderr)


def translate(family: Family, target: Address, port: int, masquerade: bool = False) -> str:
    """What goes to the VIP goes to the target, and there to the port where there are ports."""
    ip, vip = WORDS[family], VIP[family]
    host = f"[{target}]" if family is Family.IPV6 else f"{target}"
    chains = [
        f"""chain {hook} {{
            type nat hook {hook} priority {priority};
            {ip} daddr {vip} meta l4proto {{ tcp, udp, sctp }} dnat to {host}:{port}
            {ip} daddr {vip} dnat to {target}
        }}"""
        for hook, priority in _PRIORITIES.items()
    ]
    if masquerade:
        chains.append("chain sources { type nat hook postrouting priority srcnat; ct status dnat masquerade; }")
    return _table(family, chains)


def refuse(family: Family, verdict: str, *hooks: str) -> str:
    """The verdict for all that goes to the VIP, and for all that goes to port 81."""
    ip, vip = WORDS[family], VIP[family]
    chains = [
        f"""chain {hook} {{
            type filter hook {hook} priority filter;
            {ip} daddr {vip} {verdict}
            meta l4proto {{ tcp, udp, sctp }} th dport 81 {verdict}
        }}"""
        for hook in hooks
    ]
    return _table(family, chains)


def drop_everything(family: Family) -> str:
    hooks = ("prerouting", "input", "forward", "output", "postrouting")
    return _table(family, [f"chain {hook} {{ type filter hook {hook} priority filter; policy drop; }}" for hook in hooks])


def _table(family: Family, chains: list[str]) -> str:
    body = "\n".join(chains)
    return f"table {WORDS[family]} test {{\n{body}\n}}\n"
