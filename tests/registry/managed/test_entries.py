"""Entries of managedFields: identity, order, the cap. Source: apimachinery `managedfields/internal/managedfields_test.go`."""

from __future__ import annotations

from moorage.model.meta import ManagedFieldsEntry
from moorage.registry.managed.entries import (
    APPLY,
    UPDATE,
    Write,
    capped,
    fields_in,
    identity,
    is_reset,
    ordered,
    readable,
    with_fields,
)


def entry(
    manager: str, operation: str = UPDATE, version: str = "v1", time: str | None = "2020-01-01T00:00:00Z"
) -> ManagedFieldsEntry:
    return Write(manager, version, "", operation=operation).entry({f"f:{manager}": {}}, time)


def test_an_applier_is_the_same_in_every_version() -> None:
    assert identity(entry("a", APPLY, "v1")) == identity(entry("a", APPLY, "v2"))
    assert identity(entry("a", UPDATE, "v1")) != identity(entry("a", UPDATE, "v2"))
    assert identity(entry("a", APPLY)) != identity(entry("a", UPDATE))


def test_the_order_of_entries() -> None:
    """Source: TestSortEncodedManagedFields: operation, time, manager, version, subresource."""
    early, late = "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"
    rows = [
        entry("x", APPLY, time=None),
        entry("b", APPLY, time=early),
        entry("c", APPLY, time=early),
        entry("a", APPLY, time=late),
        entry("b", UPDATE, "v1", early),
        entry("b", UPDATE, "v2", early),
        entry("a", UPDATE, time=late),
    ]
    assert ordered(rows[::-1]) == tuple(rows)
    assert ordered([]) is None
    assert ordered([entry("a"), with_fields(entry("a"), {"f:new": {}})]) == (with_fields(entry("a"), {"f:new": {}}),)


def test_what_asks_to_forget() -> None:
    """Source: `managedfields/internal/fieldmanager.go` isResetManagedFields."""
    assert [is_reset(each) for each in (None, (), (ManagedFieldsEntry(),), (entry("a"),))] == [False, True, True, False]
    assert readable((entry("a"), entry("b", APPLY)))
    assert not readable((entry("a"), ManagedFieldsEntry()))


def test_the_oldest_updates_of_a_version_are_united() -> None:
    """Source: `managedfields/internal/capmanagers_test.go`."""
    updates = [entry(f"m{index:02}", time=f"2020-01-{index + 1:02}T00:00:00Z") for index in range(12)]
    applied = entry("z", APPLY, time="2000-01-01T00:00:00Z")
    found = {each.manager: each for each in capped([*updates[::-1], applied])}
    assert set(found) == {"z", "ancient-changes", *(f"m{index:02}" for index in range(3, 12))}
    assert fields_in(found["ancient-changes"]) == {"f:m00": {}, "f:m01": {}, "f:m02": {}}
    assert found["ancient-changes"].time == "2020-01-03T00:00:00Z"
    assert capped(updates[:10]) == updates[:10]


def test_updates_of_different_versions_are_not_united() -> None:
    updates = [entry(f"m{index:02}", version=f"v{index}") for index in range(12)]
    assert {each.manager for each in capped(updates)} == {each.manager for each in updates}
