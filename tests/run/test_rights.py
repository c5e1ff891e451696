"""What the parts of the system ask of the API, and what the table of roles gives them, from one source each."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

from moorage import control
from moorage.api.auth import AUTHENTICATED, User
from moorage.api.auth_asks import Ask
from moorage.api.auth_rules import RoleAuthorizer
from moorage.model.cluster import Event
from moorage.model.kinds import BY_TYPE
from moorage.model.meta import Object
from moorage.run.announcements import LEASES
from moorage.run.announcements import WANTS as ANNOUNCEMENTS
from moorage.run.identities import CONTROLLER, certified
from moorage.run.node import wants
from moorage.settings.roles import NodeSettings


def _controllers() -> dict[str, tuple[type[Object], ...]]:
    """Every class with a tuple `wants`, and what it watches."""
    found: dict[str, tuple[type[Object], ...]] = {}
    for info in pkgutil.iter_modules(control.__path__, "moorage.control."):
        for name, class_ in inspect.getmembers(importlib.import_module(info.name), inspect.isclass):
            wants = vars(class_).get("wants")
            if isinstance(wants, tuple):
                found[name] = wants
    return found


@pytest.mark.parametrize("name", sorted(_controllers()))
def test_controllers_may_see_what_they_watch(name: str) -> None:
    user = certified(CONTROLLER)
    assert user is not None
    user = User(user.name, (*user.groups, AUTHENTICATED))
    authorizer = RoleAuthorizer(lambda pod: None)
    watched: tuple[type[Object], ...] = (*_controllers()[name], Event)
    for type_ in watched:
        kind = BY_TYPE[type_]
        for verb in ("list", "watch"):
            assert authorizer.allows(user, Ask(verb, kind.plural, kind.group))


FOLLOWED = {
    "node:node-1": (*wants(NodeSettings(name="node-1", dns_port=53)), *ANNOUNCEMENTS),
    "edge:edge-1": (LEASES,),
}


@pytest.mark.parametrize("identity", FOLLOWED)
def test_an_agent_may_see_what_it_follows(identity: str) -> None:
    user = certified(identity)
    assert user is not None
    authorizer = RoleAuthorizer(lambda pod: None)
    for want in FOLLOWED[identity]:
        kind = BY_TYPE[want.type]
        for verb in ("list", "watch"):
            assert authorizer.allows(user, Ask(verb, kind.plural, kind.group, namespace=want.namespace)), (verb, kind.resource)


def test_there_are_controllers() -> None:
    assert {"EndpointSliceController", "LoadBalancerController", "NodeHealthController"} <= set(_controllers())
