"""How a node agent ends: its rules stay in the kernel and serve on, unless kube-proxy serves there.

Then they would only grow old, and in front of rules that are kept up to date.
"""

from __future__ import annotations

import socket

import structlog

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.cluster import KUBE_PROXY_PORT

log = structlog.get_logger()


def leave_to_others(datapath: NftDatapath) -> None:
    """Where both the rules of another proxy and kube-proxy itself are there, ours are taken away. Rules alone may be what a
    kube-proxy that is gone has left behind.
    """
    others = datapath.other_proxies()
    if others and _kube_proxy_runs():
        datapath.remove()
        log.info("took our rules away: kube-proxy serves here", others=[*map(str, others)])


def _kube_proxy_runs() -> bool:
    try:
        with socket.create_connection(("127.0.0.1", KUBE_PROXY_PORT), timeout=1):
            return True
    except OSError:
        return False
