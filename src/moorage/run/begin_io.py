"""How a node agent and an edge begin: first everything that can be wrong with the machine is looked for, then the kernel is
changed.
"""

from __future__ import annotations

import structlog

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.datapath.other_proxies import refusal, warning
from moorage.model.errors import HostError

BESIDE = "--beside-other-proxy"

log = structlog.get_logger()


def look_around(datapath: NftDatapath, beside_other_proxy: bool) -> None:
    """Raises HostError where another proxy serves here, unless that is wanted; then it is logged. Changes nothing."""
    found = datapath.other_proxies()
    if not found:
        return
    if not beside_other_proxy:
        raise HostError(refusal(found, BESIDE))
    log.warning(warning(found))
