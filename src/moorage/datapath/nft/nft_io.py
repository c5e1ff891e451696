"""The program `nft`: loads text, or asks the kernel what it would say to it."""

from __future__ import annotations

import subprocess

from moorage.model.errors import HostError

_SECONDS = 30
_OF_THE_KERNEL = "Could not process rule"
"""In what nft says where the kernel refused; without it, nft itself did not understand the text."""


class NftRefusal(HostError):
    """`nft` gave the text back. `said` is its first line, `by_kernel` whether it was the kernel that refused."""

    def __init__(self, said: str) -> None:
        lines = said.strip().splitlines() or [""]
        super().__init__(f"nft refused the ruleset: {said.strip()}")
        self.said = lines[0]
        self.by_kernel = _OF_THE_KERNEL in said


def load(text: str) -> None:
    """Puts the text in place in one transaction. Raises NftRefusal, or HostError where nft cannot be run."""
    _run(text, "-f", "-")


def refused(text: str) -> bool:
    """Whether the kernel would refuse the text. Nothing is put in place."""
    try:
        _run(text, "-c", "-f", "-")
    except NftRefusal:
        return True
    return False


def version() -> str:
    """`nftables v1.0.6 (Lester Gooch #5)`"""
    return _run("", "--version").strip()


def _run(text: str, *options: str) -> str:
    try:
        done = subprocess.run(["nft", *options], input=text, text=True, capture_output=True, check=True, timeout=_SECONDS)
    except FileNotFoundError as error:
        raise HostError("the program nft is not installed (package nftables)") from error
    except OSError as error:
        raise HostError(f"the program nft cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise HostError(f"nft did not load the ruleset within {_SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        raise NftRefusal(error.stderr) from error
    return done.stdout
