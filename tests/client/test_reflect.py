from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moorage.client.reflect import (
    ABSENT_SECONDS,
    LAST_PAUSE,
    STEADY_SECONDS,
    Keep,
    List,
    Reflector,
    Step,
    Wait,
    Watch,
    is_absence,
)
from moorage.model.cluster import Lease, LeaseSpec
from moorage.model.errors import ApiError, HostError, gone
from moorage.model.meta import Key, Object, ObjectMeta
from moorage.model.ports import ADDED, BOOKMARK, DELETED, MODIFIED, Page, WatchEvent

HALF = 0.5
"""The chance that leaves a pause as it is: pause * (0.5 + HALF); the first one it halves."""

BROKEN = HostError("connection refused")


def lease(name: str, version: int, uid: str = "") -> Lease:
    return Lease(metadata=ObjectMeta(name=name, uid=uid or f"uid-{name}", resource_version=str(version)))


def event(type_: str, name: str, version: int, uid: str = "") -> WatchEvent:
    return WatchEvent(type_, lease(name, version, uid))


def keys(*names: str) -> frozenset[Key]:
    return frozenset(Key("", name) for name in names)


def relist(reflector: Reflector, leases: Iterable[Lease], version: str) -> Step:
    """A list in one page."""
    reflector.on_page(Page(leases, version))
    return reflector.on_list(0.0)


def listed(*leases: Lease, version: str = "10", keep: Keep | None = None) -> Reflector:
    reflector = Reflector(keep)
    assert reflector.start(0.0) == List()
    assert relist(reflector, leases, version) == Watch(version)
    return reflector


def versions(reflector: Reflector) -> dict[str, str]:
    return {key.name: obj.metadata.resource_version for key, obj in reflector.objects.items()}


def test_a_list_then_events() -> None:
    reflector = listed(lease("a", 1), lease("b", 2))
    assert reflector.take() == keys("a", "b")
    for each in (event(MODIFIED, "a", 11), event(DELETED, "b", 12), event(ADDED, "c", 13), event(MODIFIED, "c", 14)):
        reflector.on_event(each)
    assert versions(reflector) == {"a": "1", "b": "2"}
    assert reflector.take() == keys("a", "b", "c")
    assert versions(reflector) == {"a": "11", "c": "14"}
    assert reflector.take() == keys()


def test_a_taken_picture_never_changes() -> None:
    reflector = listed(lease("a", 1))
    reflector.take()
    before = reflector.objects
    reflector.on_event(event(DELETED, "a", 11))
    reflector.take()
    assert before == {Key("", "a"): lease("a", 1)}
    assert reflector.objects == {}


def test_an_object_that_came_and_went_between_two_looks_is_no_change() -> None:
    reflector = listed(lease("a", 1))
    reflector.take()
    reflector.on_event(event(ADDED, "b", 11))
    reflector.on_event(event(DELETED, "b", 12))
    assert reflector.take() == keys()


def test_a_relist_tells_only_what_differs() -> None:
    reflector = listed(lease("same", 1), lease("newer", 2), lease("gone", 3), lease("reborn", 4))
    reflector.take()
    relist(reflector, [lease("same", 1), lease("newer", 20), lease("reborn", 4, "uid-2"), lease("new", 21)], "30")
    assert reflector.take() == keys("newer", "gone", "reborn", "new")
    assert versions(reflector) == {"same": "1", "newer": "20", "reborn": "4", "new": "21"}


def test_a_relist_overrules_events_that_were_not_taken_yet() -> None:
    reflector = listed(lease("a", 1), lease("b", 2))
    reflector.take()
    reflector.on_event(event(MODIFIED, "a", 11))
    reflector.on_event(event(ADDED, "c", 12))
    relist(reflector, [lease("a", 11)], "30")
    assert reflector.take() == keys("a", "b")
    assert versions(reflector) == {"a": "11"}


def test_a_list_is_complete_with_its_last_page() -> None:
    reflector = Reflector()
    reflector.start(0.0)
    reflector.on_page(Page([lease("a", 1)], "10"))
    reflector.on_page(Page([lease("b", 2)], "10", first=False))
    assert reflector.take() == keys()
    assert not reflector.listed
    assert reflector.on_list(0.0) == Watch("10")
    assert reflector.listed
    assert reflector.take() == keys("a", "b")


def test_a_page_that_begins_a_list_makes_the_earlier_ones_void() -> None:
    reflector = listed(lease("a", 1))
    reflector.on_page(Page([lease("a", 1), lease("gone", 2)], "10"))
    reflector.on_page(Page([lease("a", 1), lease("b", 11)], "12"))
    assert reflector.on_list(0.0) == Watch("12")
    assert reflector.take() == keys("a", "b")


def test_a_list_that_fails_in_the_middle_leaves_everything_as_it_was() -> None:
    reflector = listed(lease("a", 1), lease("b", 2))
    reflector.take()
    reflector.on_page(Page([lease("a", 11)], "20"))
    assert reflector.on_failure(BROKEN, 0.0, HALF) == Wait(0.4, Watch("10"))
    assert reflector.take() == keys()
    assert versions(reflector) == {"a": "1", "b": "2"}


def nameless(obj: Object) -> Object:
    """Keeps no holder of a Lease."""
    return replace(obj, spec=LeaseSpec()) if isinstance(obj, Lease) else obj


def held(name: str, version: int) -> Lease:
    return replace(lease(name, version), spec=LeaseSpec(holder_identity="somebody"))


def test_what_is_kept_of_an_object_is_kept_however_it_arrives() -> None:
    reflector = listed(held("a", 1), keep=nameless)
    reflector.on_event(WatchEvent(ADDED, held("b", 11)))
    reflector.on_event(WatchEvent(DELETED, held("c", 12)))
    assert reflector.take() == keys("a", "b")
    assert reflector.objects == {Key("", "a"): lease("a", 1), Key("", "b"): lease("b", 11)}


def test_an_object_that_is_held_already_is_not_made_again() -> None:
    asked: list[str] = []

    def keep(obj: Object) -> Object:
        asked.append(obj.metadata.name)
        return nameless(obj)

    reflector = listed(held("same", 1), held("newer", 2), keep=keep)
    reflector.take()
    same = reflector.objects[Key("", "same")]
    relist(reflector, [held("same", 1), held("newer", 20)], "30")
    assert reflector.take() == keys("newer")
    assert reflector.objects[Key("", "same")] is same
    assert asked == ["same", "newer", "newer"]


def test_objects_without_a_version_are_compared_as_they_are_kept() -> None:
    plain = replace(lease("a", 1), metadata=ObjectMeta(name="a"))
    reflector = listed(replace(plain, spec=LeaseSpec(holder_identity="one")), keep=nameless)
    reflector.take()
    relist(reflector, [replace(plain, spec=LeaseSpec(holder_identity="two"))], "30")
    assert reflector.take() == keys()


def test_a_kind_that_is_not_there_is_empty_and_asked_for_again() -> None:
    reflector = Reflector()
    reflector.start(0.0)
    assert reflector.on_absence(0.0) == Wait(ABSENT_SECONDS, List())
    assert reflector.listed
    assert reflector.take() == keys()
    assert reflector.on_absence(ABSENT_SECONDS) == Wait(ABSENT_SECONDS, List())
    assert relist(reflector, [lease("a", 1)], "10") == Watch("10")
    assert reflector.take() == keys("a")


def test_a_kind_that_goes_away_takes_its_objects_along() -> None:
    reflector = listed(lease("a", 1))
    reflector.take()
    reflector.on_page(Page([lease("b", 2)], "20"))
    assert reflector.on_absence(0.0) == Wait(ABSENT_SECONDS, List())
    assert reflector.take() == keys("a")
    assert reflector.objects == {}


def test_only_a_404_is_an_absence() -> None:
    assert is_absence(ApiError(404, "NotFound", "the server could not find the requested resource"))
    assert not any(is_absence(each) for each in (ApiError(403, "Forbidden", "no"), gone("too old"), BROKEN))


def test_a_watch_goes_on_from_the_newest_version() -> None:
    reflector = listed()
    reflector.on_event(event(ADDED, "a", 11))
    assert reflector.on_end(1.0, HALF) == Watch("11")
    reflector.on_event(event(BOOKMARK, "", 40))
    assert reflector.take() == keys("a")
    assert reflector.on_end(1.0, HALF) == Watch("40")


def test_a_stream_that_only_ends_is_asked_ever_more_seldom() -> None:
    reflector = listed()
    reflector.on_event(event(BOOKMARK, "", 10))
    assert reflector.on_end(0.1, HALF) == Wait(0.4, Watch("10"))
    assert reflector.on_end(0.3, HALF) == Wait(1.6, Watch("10"))
    assert reflector.on_end(60.0, HALF) == Watch("10")
    assert reflector.on_end(60.1, HALF) == Wait(0.4, Watch("10"))


def test_a_broken_stream_is_taken_up_where_it_broke() -> None:
    reflector = listed()
    reflector.on_event(event(ADDED, "a", 11))
    assert reflector.on_failure(BROKEN, 1.0, HALF) == Wait(0.4, Watch("11"))
    assert reflector.on_failure(ApiError(503, "ServiceUnavailable", ""), 1.1, HALF) == Wait(1.6, Watch("11"))


def test_pauses_grow_to_a_limit_and_are_spread() -> None:
    reflector = Reflector()
    reflector.start(0.0)
    now, pauses = 0.0, []
    for _ in range(40):
        step = reflector.on_failure(BROKEN, now, HALF)
        assert isinstance(step, Wait)
        assert step.then == List()
        now += step.seconds
        pauses.append(step.seconds)
    assert pauses[:8] == [0.4, 1.6, 3.2, 6.4, 12.8, 25.6, LAST_PAUSE, LAST_PAUSE]
    assert set(pauses[8:]) == {LAST_PAUSE}
    assert reflector.on_failure(BROKEN, now, 0.0) == Wait(LAST_PAUSE / 2, List())
    assert reflector.on_failure(BROKEN, now + STEADY_SECONDS + LAST_PAUSE, 0.0) == Wait(0.0, List())
    assert reflector.on_failure(BROKEN, now + 2 * (STEADY_SECONDS + LAST_PAUSE), HALF) == Wait(0.4, List())


def test_a_forgotten_version_is_listed_again_at_once_but_not_for_ever() -> None:
    reflector = listed(lease("a", 1))
    assert reflector.on_failure(gone("too old"), 0.0, HALF) == List()
    assert relist(reflector, [lease("a", 1)], "20") == Watch("20")
    assert reflector.on_failure(gone("too old"), 0.0, HALF) == Wait(1.6, List())


def test_a_refused_watch_is_listed_again() -> None:
    assert listed().on_failure(ApiError(403, "Forbidden", "no"), 0.0, HALF) == Wait(0.4, List())


def test_a_busy_server_says_when_to_come_back() -> None:
    busy = ApiError(429, "TooManyRequests", "", {"retryAfterSeconds": 7})
    assert listed().on_failure(busy, 0.0, HALF) == Wait(7.4, Watch("10"))


def test_a_cached_list_that_is_older_than_what_was_seen_is_not_taken() -> None:
    """Of several servers one may be behind: objects do not go back in time."""
    reflector = Reflector(cached=True)
    assert reflector.start(0.0) == List(cached=True)
    assert relist(reflector, [lease("a", 9)], "10") == Watch("10")
    reflector.on_event(event(MODIFIED, "a", 15))
    assert reflector.take() == keys("a")
    assert reflector.on_failure(gone("too old"), 3.0, HALF) == List(cached=True)
    assert relist(reflector, [lease("a", 9)], "12") == List()
    assert reflector.take() == keys()
    assert versions(reflector) == {"a": "15"}
    assert relist(reflector, [lease("a", 15), lease("b", 16)], "16") == Watch("16")
    assert reflector.take() == keys("b")


def test_a_cached_list_that_is_as_new_is_taken() -> None:
    reflector = Reflector(cached=True)
    reflector.start(0.0)
    relist(reflector, [lease("a", 9)], "10")
    reflector.on_failure(gone("too old"), 3.0, HALF)
    assert relist(reflector, [], "10") == Watch("10")
    assert reflector.take() == keys()
    assert reflector.objects == {}


def renewed(name: str, version: int, at: str) -> Lease:
    return replace(lease(name, version), spec=LeaseSpec(holder_identity=name, renew_time=at))


def without_time(obj: Object) -> Object:
    assert isinstance(obj, Lease)
    return replace(obj, spec=replace(obj.spec, renew_time=None))


def test_a_quiet_reflector_tells_only_changes_of_what_it_keeps() -> None:
    reflector = Reflector(without_time, quiet=True)
    reflector.start(0.0)
    relist(reflector, [renewed("a", 1, "now")], "10")
    assert reflector.take() == keys("a")
    reflector.on_event(WatchEvent(MODIFIED, renewed("a", 11, "later")))
    assert reflector.take() == keys()
    assert reflector.on_end(3.0, HALF) == Watch("11")
    changed = renewed("a", 12, "later")
    reflector.on_event(WatchEvent(MODIFIED, replace(changed, metadata=replace(changed.metadata, labels={"b": "c"}))))
    assert reflector.take() == keys("a")
    reflector.on_event(event(DELETED, "a", 13))
    assert reflector.take() == keys("a")
    relist(reflector, [renewed("a", 20, "now")], "20")
    assert reflector.take() == keys("a"), "another one of that name"


NAMES = st.sampled_from("abc")


@given(st.lists(st.tuples(st.sampled_from(["put", "remove", "take", "relist", "end"]), NAMES), max_size=40))
def test_told_changes_always_add_up_to_the_truth(history: list[tuple[str, str]]) -> None:
    """A reader that applies only what it is told holds what the server holds, and is never told the same thing twice."""
    reflector = listed(version="0")
    server: dict[Key, Lease] = {}
    read: dict[Key, object] = {}
    step: Step = Watch("0")
    for version, (action, name) in enumerate([*history, ("take", "a")], 1):
        key = Key("", name)
        if action == "put":
            reflector.on_event(WatchEvent(MODIFIED if key in server else ADDED, lease(name, version)))
            server[key] = lease(name, version)
        elif action == "remove" and key in server:
            del server[key]
            reflector.on_event(event(DELETED, name, version))
        elif action == "relist":
            step = relist(reflector, server.values(), str(version))
        elif action == "end":
            step = reflector.on_end(0.0, HALF)
        elif action == "take":
            for told in reflector.take():
                assert read.get(told) != reflector.objects.get(told)
                read[told] = reflector.objects.get(told)
            assert {each: obj for each, obj in read.items() if obj is not None} == server
    assert step == Watch("0") or isinstance(step, Watch | Wait)
