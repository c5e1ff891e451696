from __future__ import annotations

from moorage.model.meta import Key
from moorage.model.snapshot import Snapshot
from moorage.table.slice_index import SliceIndex
from tests.table.objects import endpoint, slice_

WEB, API = Key("default", "web"), Key("default", "api")
KEY = Key("default", "one")


def test_a_slice_moves_between_services_and_goes() -> None:
    index = SliceIndex()
    web = slice_(endpoint("10.244.0.1"), name="one")
    assert index.update(Snapshot.of([web]), [KEY]) == {WEB}
    assert index.of(WEB) == (web,)
    api = slice_(endpoint("10.244.0.1"), name="one", of="api")
    assert index.update(Snapshot.of([api]), [KEY]) == {WEB, API}
    assert (index.of(WEB), index.of(API)) == ((), (api,))
    assert index.update(Snapshot(), [KEY]) == {API}
    assert index.of(API) == ()
    assert index.update(Snapshot(), [KEY]) == set()


def test_a_slice_without_a_service_belongs_nowhere() -> None:
    nobodys = slice_(endpoint("10.244.0.1"), name="one", of="")
    index = SliceIndex([nobodys])
    assert index.update(Snapshot.of([nobodys]), [KEY]) == set()
    assert index.of(Key("default", "")) == ()
