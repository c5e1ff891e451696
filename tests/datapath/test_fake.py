from __future__ import annotations

from collections.abc import Callable

import pytest

from moorage.datapath.fake import FakeDatapath
from moorage.datapath.types import Datapath
from moorage.model.errors import HostError
from tests.datapath.contract import CONTRACT, FULL, Inspectable, shown


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: str(clause.__name__))
def test_contract(clause: Callable[[Inspectable], None]) -> None:
    clause(FakeDatapath())


def test_it_can_be_told_to_refuse() -> None:
    fake = FakeDatapath()
    datapath: Datapath = fake
    fake.refusal = "no room"
    with pytest.raises(HostError, match="no room"):
        datapath.apply(FULL)
    assert fake.table is None
    assert shown(fake) == set()
    fake.refusal = ""
    datapath.apply(FULL)
    assert fake.table is FULL
