"""The resolv.conf of a Pod: dnsPolicy + dnsConfig -> text, as kubelet writes it (`pkg/kubelet/network/dns`)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from moorage.model.pods import Pod
from moorage.model.wire import Tree

MAX_SERVERS = 3
MAX_SEARCHES = 32
MAX_SEARCH_CHARACTERS = 2048
"""What kubelet allows a Pod."""


class Resolver(msgspec.Struct, frozen=True):
    """A resolv.conf. An option is `name` or `name:value`."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def text(self) -> str:
        """Lines that say nothing are left out."""
        lines = [f"nameserver {each}" for each in self.servers[:MAX_SERVERS]]
        if searches := _fitting(self.searches):
            lines.insert(0, f"search {' '.join(searches)}")
        if self.options:
            lines.append(f"options {' '.join(self.options)}")
        return "".join(f"{line}\n" for line in lines)


def resolv_conf(pod: Pod, servers: tuple[str, ...], host: str = "", zone: str = "cluster.local") -> str:
    """`servers` are the addresses of cluster DNS, `host` is the text of the node's own resolv.conf.

    ClusterFirst, also where no policy is given: cluster DNS, unless the Pod uses the node's network. Default: as the node.
    ClusterFirstWithHostNet: cluster DNS in any case. None: only what `dnsConfig` says, which is added in all other cases.
    """
    policy = pod.spec.dns_policy or "ClusterFirst"
    node = parse_resolv_conf(host)
    if policy == "None":
        base = Resolver()
    elif policy == "Default" or (policy == "ClusterFirst" and pod.spec.host_network):
        base = node
    else:
        namespace = pod.metadata.namespace
        cluster = (f"{namespace}.svc.{zone}", f"svc.{zone}", zone)
        base = Resolver(servers, _once((*cluster, *node.searches)), ("ndots:5",))
    return _with_config(base, pod.spec.dns_config or {}).text()


def parse_resolv_conf(text: str) -> Resolver:
    """Understands nameserver, search (the last one counts) and options, as resolv.conf(5); other lines are ignored."""
    servers: list[str] = []
    searches: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        match line.split("#")[0].split(";")[0].split():
            case ["nameserver", address, *_]:
                servers.append(address)
            case ["search", *names]:
                searches = tuple(name for name in names if name != ".")
            case ["options", *words]:
                options += words
    return Resolver(tuple(servers), searches, _options(options))


def _with_config(base: Resolver, config: Tree) -> Resolver:
    """`dnsConfig` adds servers and searches, and replaces options of the same name."""
    added = [
        f"{each['name']}:{each['value']}" if each.get("value") is not None else each["name"]
        for each in config.get("options") or ()
        if each.get("name")
    ]
    return Resolver(
        _once((*base.servers, *(config.get("nameservers") or ()))),
        _once((*base.searches, *(config.get("searches") or ()))),
        _options((*base.options, *added)),
    )


def _options(words: Iterable[str]) -> tuple[str, ...]:
    """One of each name: the last, at the place of the first."""
    return tuple({word.partition(":")[0]: word for word in words}.values())


def _once(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _fitting(searches: tuple[str, ...]) -> tuple[str, ...]:
    """As many as kubelet's limits allow."""
    kept = searches[:MAX_SEARCHES]
    while len(" ".join(kept)) > MAX_SEARCH_CHARACTERS:
        kept = kept[:-1]
    return kept
