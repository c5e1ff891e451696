"""What the roles ask of a kube-apiserver is allowed by the ClusterRoles that are shipped."""

from __future__ import annotations

import msgspec
import pytest

from moorage.deploy.rights import RIGHTS
from tests.recorded.spoken import load
from tests.sent.judge import judge
from tests.sent.recorded import exchanges
from tests.sent.rights import by_table


@pytest.mark.parametrize(("story", "role"), [("follow", "node"), ("balance", "controller")])
def test_a_recorded_role_keeps_to_its_rights(story: str, role: str) -> None:
    asked = [msgspec.structs.replace(each, agent=f"moorage-{role}") for each in exchanges(load(story))]
    assert judge(asked, by_table(RIGHTS)) == []
