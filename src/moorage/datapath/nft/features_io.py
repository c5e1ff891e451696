"""What a kernel must have, asked before anything is changed in it; and what it lacks, where it refuses the program."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence

from moorage.datapath.conntrack import ask_count
from moorage.datapath.netlink import Message
from moorage.datapath.netlink_io import KernelRefusal, Netlink
from moorage.datapath.nft import nft_io
from moorage.datapath.nft.features import FEATURES, TABLES, Feature, lacking
from moorage.datapath.nft.messages import ask_generation
from moorage.datapath.nft.nft_io import NftRefusal
from moorage.model.errors import HostError
from moorage.model.net import Family

KNOWN_NFT = "1.0.6"

SUBSYSTEMS: tuple[tuple[Message, str], ...] = (
    (ask_generation(), "nf_tables (CONFIG_NF_TABLES, module nf_tables)"),
    (ask_count(), "netlink access to tracked connections (CONFIG_NF_CT_NETLINK, module nf_conntrack_netlink)"),
)
"""A question to each part of the kernel that is spoken to directly, and its name."""


def require(kernel: Netlink, subsystems: Iterable[tuple[Message, str]] = SUBSYSTEMS) -> None:
    """Raises HostError with all that is missing. Costs microseconds."""
    missing = [name for question, name in subsystems if not _answers(kernel, question)]
    if missing:
        raise HostError(
            f"this kernel ({os.uname().release}) lacks what Services need: {'; '.join(missing)}. "
            "Load the module, or use a kernel that has it"
        )


def _answers(kernel: Netlink, question: Message) -> bool:
    try:
        kernel.ask(question)
    except KernelRefusal as refusal:
        if refusal.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT):
            raise
        return False
    return True


def diagnosis(refusal: NftRefusal, families: Sequence[Family], features: Sequence[Feature] = FEATURES) -> HostError:
    """Why a program was refused, in one line; costs a run of nft for each feature."""
    if not refusal.by_kernel:
        return HostError(f"nft did not take the ruleset: {refusal.said}. It is {nft_io.version()}; {KNOWN_NFT} is known to do")
    return HostError(lacking(missing_features(families, features), os.uname().release, refusal.said))


def missing_features(families: Sequence[Family], features: Sequence[Feature] = FEATURES) -> dict[Feature, list[Family]]:
    """What the kernel of this network namespace does not know. Where it has no tables of a family, nothing else is asked."""
    found: dict[Feature, list[Family]] = {}
    for family in families:
        tried = features if not nft_io.refused(TABLES.probe(family)) else ()
        if not tried:
            found.setdefault(TABLES, []).append(family)
        for each in tried:
            if nft_io.refused(each.probe(family)):
                found.setdefault(each, []).append(family)
    return found
