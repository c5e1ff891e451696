from __future__ import annotations

from moorage.control.packing import Packing, pack
from moorage.model.meta import ObjectMeta, ObjectReference
from moorage.model.slices import Endpoint, EndpointConditions, EndpointSlice

LABELS = {"kubernetes.io/service-name": "web"}


def endpoint(number: int, ready: bool = True) -> Endpoint:
    return Endpoint(
        addresses=(f"10.244.0.{number}",),
        conditions=EndpointConditions(ready=ready),
        target_ref=ObjectReference(kind="Pod", namespace="default", name=f"pod-{number}"),
    )


def endpoints(*numbers: int) -> tuple[Endpoint, ...]:
    return tuple(endpoint(each) for each in numbers)


def slice_of(name: str, *numbers: int, labels: dict[str, str] = LABELS) -> EndpointSlice:
    return EndpointSlice(metadata=ObjectMeta(name=name, labels=labels), endpoints=endpoints(*numbers))


def packed(existing: tuple[EndpointSlice, ...], *wanted: int) -> Packing:
    return pack(existing, endpoints(*wanted), LABELS, limit=3)


def test_nothing_changed() -> None:
    a, b = slice_of("a", 1, 2, 3), slice_of("b", 4)
    assert packed((a, b), 4, 3, 2, 1) == Packing(kept=(a, b))


def test_new_slices_are_filled_one_after_the_other() -> None:
    assert packed((), 1, 2, 3, 4) == Packing(new=(endpoints(1, 2, 3), endpoints(4)))


def test_a_full_slice_is_left_alone() -> None:
    a = slice_of("a", 1, 2, 3)
    assert packed((a,), 1, 2, 3, 4) == Packing(kept=(a,), new=(endpoints(4),))


def test_a_slice_that_is_written_anyway_is_filled_first() -> None:
    a, b = slice_of("a", 1, 2), slice_of("b", 3, 4)
    assert packed((a, b), 1, 2, 4, 5) == Packing(kept=(a,), updated=(slice_of("b", 4, 5),))


def test_of_two_that_are_written_the_fuller_one_is_filled() -> None:
    a, b = slice_of("a", 1, 2), slice_of("b", 3, 4, 5)
    assert packed((a, b), 2, 4, 5, 6) == Packing(updated=(slice_of("b", 4, 5, 6), slice_of("a", 2)))


def test_what_is_left_goes_where_it_fits_most_tightly() -> None:
    a, b = slice_of("a", 1), slice_of("b", 2, 3)
    assert packed((a, b), 1, 2, 3, 4) == Packing(kept=(a,), updated=(slice_of("b", 2, 3, 4),))
    assert packed((a, b), 1, 2, 3, 4, 5) == Packing(kept=(b,), updated=(slice_of("a", 1, 4, 5),))


def test_an_emptied_slice() -> None:
    a, b = slice_of("a", 1, 2), slice_of("b", 3)
    assert packed((a, b), 3) == Packing(kept=(b,), emptied=(a,))


def test_a_changed_condition_is_one_write() -> None:
    a, b = slice_of("a", 1, 2), slice_of("b", 3)
    changed = pack((a, b), (endpoint(1), endpoint(2, ready=False), endpoint(3)), LABELS, limit=3)
    assert changed.kept == (b,)
    assert [each.endpoints for each in changed.updated] == [(endpoint(1), endpoint(2, ready=False))]


def test_changed_labels_are_written() -> None:
    a = slice_of("a", 1, labels={"old": "label"})
    assert packed((a,), 1) == Packing(updated=(slice_of("a", 1),))


def test_an_endpoint_that_is_in_two_slices_stays_in_the_first() -> None:
    a, b = slice_of("a", 1), slice_of("b", 1, 2)
    assert packed((a, b), 1, 2) == Packing(kept=(a,), updated=(slice_of("b", 2),))


def test_a_namesake_with_another_address_is_another_endpoint() -> None:
    a = slice_of("a", 1)
    moved = Endpoint(addresses=("10.9.9.9",), target_ref=a.endpoints[0].target_ref)
    assert pack((a,), (moved,), LABELS) == Packing(emptied=(a,), new=((moved,),))
