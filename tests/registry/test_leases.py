"""Lease rules (`pkg/apis/coordination/validation/validation.go`)."""

from __future__ import annotations

from moorage.model.kinds import LEASES
from tests.registry.world import World, causes, refused


def test_rules() -> None:
    world = World()
    spec = {"leaseDurationSeconds": 0, "leaseTransitions": -1, "preferredHolder": "a", "renewTime": "now"}
    error = refused(world, lambda: world.create(LEASES, {"metadata": {"name": "node-1"}, "spec": spec}), 422)
    assert causes(error) == [
        'spec.renewTime: Invalid value: "now": must be a time as in RFC 3339, (e.g. 2006-01-02T15:04:05Z)',
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
        "spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined",
    ]
    assert error.message.startswith('Lease.coordination.k8s.io "node-1" is invalid: [')


def test_a_renewal_without_news_is_no_write() -> None:
    world = World()
    spec = {"holderIdentity": "node-1", "leaseDurationSeconds": 40, "renewTime": "2023-11-14T22:13:20.000000Z"}
    world.create(LEASES, {"metadata": {"name": "node-1"}, "spec": spec})
    revision = world.store.revision
    world.merge(LEASES, "node-1", {"spec": spec})
    assert world.store.revision == revision
    world.merge(LEASES, "node-1", {"spec": {"renewTime": "2023-11-14T22:13:30.000000Z"}})
    assert world.store.revision == revision + 1
