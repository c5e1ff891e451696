"""What kernel tests need, and names that no other run uses."""

from __future__ import annotations

import itertools
import os

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root: run the tests with sudo")

_numbers = itertools.count(1)


def unique_instance(word: str) -> str:
    """`mt-PID-word-1`: an instance of this test run alone."""
    return f"mt-{os.getpid()}-{word}-{next(_numbers)}"
