"""The CEL rules of MetalLB's kinds, evaluated by Google's engine, judge as the embedded server's registry does."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from cel_expr_python import cel

from moorage.deploy.crd_rules import BOUNDS, RULES
from moorage.model.errors import ApiError
from moorage.model.kinds import KINDS, Kind
from moorage.model.metallb import BGPAdvertisementSpec, BGPPeerSpec
from moorage.model.wire import ApiType
from tests.deploy.test_crds import GOOD, SELECTOR
from tests.registry.world import World

ABSENT = object()
ENGINE = cel.NewEnv(variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN})


def kind_of(name: str) -> Kind:
    (found,) = [each for each in KINDS if each.kind == name]
    return found


def broken(type_: type[ApiType], spec: dict[str, Any], before: dict[str, Any] | None = None) -> list[str]:
    """What an API server says of a spec. Defaults come first; a rule about `oldSelf` is one of updates."""
    given = {key: bound["default"] for key, bound in BOUNDS[type_].items() if "default" in bound} | spec
    said = []
    for rule, message in RULES[type_]:
        if "oldSelf" in rule and before is None:
            continue
        value = ENGINE.compile(rule).eval(data={"self": given, "oldSelf": before or {}})
        assert value.type() == cel.Type.BOOL, (rule, value.value())
        if value.value() is not True:
            said.append(message)
    return said


def refused(kind: str, spec: dict[str, Any], before: dict[str, Any] | None = None) -> bool:
    """By the registry."""
    world, found = World(), kind_of(kind)

    def tree(of: dict[str, Any]) -> dict[str, Any]:
        return {"apiVersion": found.api_version, "kind": kind, "metadata": {"name": "it"}, "spec": of}

    try:
        world.create(found, tree(spec if before is None else before))
        if before is not None:
            world.patch(found, "it", lambda held: {**held, "spec": spec})
    except ApiError as error:
        return error.code in (400, 422)
    return False


def specs(base: dict[str, Any], choices: dict[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Every combination of what may be said of some keys, with the rest of a good spec."""
    rest = {key: value for key, value in base.items() if key not in choices}
    rows = product(*choices.values())
    return [rest | {key: value for key, value in zip(choices, row, strict=True) if value is not ABSENT} for row in rows]


PEERS = specs(
    GOOD["BGPPeer"],
    {
        "peerASN": (ABSENT, 0, 64513),
        "dynamicASN": (ABSENT, "internal"),
        "peerAddress": (ABSENT, "", "192.0.2.1"),
        "interface": (ABSENT, "", "eth0"),
    },
)
ADVERTISEMENTS = specs(
    {},
    {
        "aggregationLength": (ABSENT, 32, 24),
        "aggregationLengthV6": (ABSENT, 128, 64),
        "serviceSelectors": (ABSENT, [], [SELECTOR]),
    },
)


@pytest.mark.parametrize("spec", PEERS, ids=str)
def test_peers(spec: dict[str, Any]) -> None:
    assert bool(broken(BGPPeerSpec, spec)) == refused("BGPPeer", spec)


@pytest.mark.parametrize("spec", ADVERTISEMENTS, ids=str)
def test_advertisements(spec: dict[str, Any]) -> None:
    assert bool(broken(BGPAdvertisementSpec, spec)) == refused("BGPAdvertisement", spec)


@pytest.mark.parametrize("before", [ABSENT, False, True])
@pytest.mark.parametrize("after", [ABSENT, False, True])
def test_graceful_restart_stays_as_it_was(before: Any, after: Any) -> None:
    old, new = (GOOD["BGPPeer"] | ({} if each is ABSENT else {"enableGracefulRestart": each}) for each in (before, after))
    said = broken(BGPPeerSpec, new, old)
    assert bool(said) == refused("BGPPeer", new, old)
    assert bool(said) == ((before is True) != (after is True))
