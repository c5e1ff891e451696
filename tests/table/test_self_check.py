from __future__ import annotations

from moorage.model.net import Protocol
from moorage.model.snapshot import Changes, Snapshot
from moorage.table.compile import Compiler, compile_table
from moorage.table.self_check import LISTENER, PORT, SELF_CHECK, VIP, self_check, without_self_check
from moorage.table.types import Locality
from tests.table.objects import FACTS, service


def test_the_agents_own_frontend_is_in_every_table_and_is_no_service() -> None:
    own, snapshot = self_check(), Snapshot.of([service("web", "10.96.0.1")])
    compiler = Compiler(own)
    for each in (Snapshot(), snapshot, Snapshot()):
        table = compiler.update(each, Changes(everything=True), FACTS)
        assert table.services[SELF_CHECK] is own[SELF_CHECK], "one object: a datapath does not look at it again"
        assert next(iter(table.services)) is SELF_CHECK
        assert without_self_check(table) == compile_table(each, FACTS)


def test_it_leads_to_the_agent_and_concerns_nobody_else() -> None:
    ((frontend,),) = self_check().values()
    assert VIP.is_loopback
    assert frontend.match.holds(VIP, Protocol.TCP, PORT)
    assert [(each.address, each.port) for each in frontend.backends] == [(LISTENER, PORT)]
    assert not frontend.kind.whole, "nothing is said of the address as a whole"
    assert without_self_check(compile_table(Snapshot(), FACTS)).locality != Locality()
