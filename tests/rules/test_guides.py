"""The guides' commands are those that this version understands."""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from moorage.deploy.given import values_of
from moorage.observe.migrate_steps import BESIDE
from tests.rules.source import ROOT

GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
MIGRATION = (ROOT / "docs" / "guides" / "kubernetes.md").read_text()


def commands(page: str) -> list[str]:
    """The indented lines, joined where one ends with a backslash, and the words in backticks."""
    indented = re.sub(r" *\\\n *", " ", page)
    return [*re.findall(r"^ {4}(\S.*)$", indented, re.M), *re.findall(r"`([^`]+)`", indented)]


@pytest.mark.parametrize("page", GUIDES, ids=lambda path: path.stem)
def test_settings_of_manifests_are_known(page: Path) -> None:
    printed = [each for each in commands(page.read_text()) if each.startswith("moorage manifests")]
    assert printed
    for each in printed:
        words = shlex.split(each.partition("|")[0])
        values_of({}, [value for flag, value in pairwise(words) if flag == "--set"])


def test_kube_proxy_is_left_its_ports_as_the_printed_steps_have_it() -> None:
    (beside,) = {each for each in commands(MIGRATION) if "besideOtherProxy" in each and "manifests" in each}
    assert set(shlex.split(BESIDE)) <= set(shlex.split(beside))


def test_an_image_whose_user_is_not_root_is_debugged_as_root() -> None:
    """`kubectl debug --profile=sysadmin` gives every capability, of which a user that is not root has none."""
    users = re.findall(r"^USER (\d+)", (ROOT / "Containerfile").read_text(), re.M)
    assert users[-1] != "0"
    ours = [each for each in commands(MIGRATION) if each.startswith("kubectl debug") and "moorage uninstall" in each]
    assert ours
    for each in ours:
        (profile,) = re.findall(r"--custom=(\S+)", each)
        (text,) = re.findall(rf"echo '(.+)' > {re.escape(profile)}", MIGRATION)
        assert json.loads(text) == {"securityContext": {"runAsUser": 0}}
