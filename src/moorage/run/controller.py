"""The controllers in one process: each is a pure function from what the API says to what should be written next.

(a Lease, where several of these run) -> list + watch -> Snapshot -> controllers -> verbs
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import NamedTuple

from moorage.announce.address_probe_io import AddressProber
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import authority
from moorage.client.mirror_io import Mirror, Want
from moorage.control.announcements import AnnouncementsController
from moorage.control.broken_objects import BrokenObjectsController
from moorage.control.election import Candidate, Terms
from moorage.control.election_io import Leadership
from moorage.control.endpoint_slices import EndpointSliceController
from moorage.control.endpoints_objects import EndpointsController
from moorage.control.fights import OURS
from moorage.control.garbage import GarbageCollector
from moorage.control.load_balancers import LoadBalancerController
from moorage.control.loop_io import run_controllers
from moorage.control.mirroring import MirroringController
from moorage.control.node_health import NodeHealthController
from moorage.control.schedule import Scheduler
from moorage.control.service_accounts import ServiceAccountController
from moorage.control.types import Controller
from moorage.control.withdrawals import WithdrawalController
from moorage.model.cluster import SYSTEM_NAMESPACE
from moorage.model.kinds import BY_TYPE
from moorage.model.meta import Key
from moorage.model.ports import Client
from moorage.observe.http_io import Crowd, PortServer, open_port
from moorage.observe.role_health import RoleHealth, respond
from moorage.run.access import access_of
from moorage.settings.controllers import chosen
from moorage.settings.roles import ControllerSettings


class Means(NamedTuple):
    """What a controller may be made of."""

    settings: ControllerSettings
    probes: AddressProber | None


MAKERS: Mapping[str, Callable[[Means], Controller]] = {
    "endpointslice-controller": lambda _: EndpointSliceController(_chance()),
    "endpoints-controller": lambda _: EndpointsController(),
    "endpointslice-mirroring-controller": lambda _: MirroringController(_chance()),
    "broken-objects-controller": lambda _: BrokenObjectsController(),
    "load-balancer-controller": lambda means: LoadBalancerController(means.settings.load_balancer, means.probes),
    "withdrawal-controller": lambda _: WithdrawalController(),
    "announcements-controller": lambda _: AnnouncementsController(),
    "node-lifecycle-controller": lambda means: NodeHealthController(means.settings.node_grace),
    "scheduler": lambda _: Scheduler(),
    "garbage-collector-controller": lambda _: GarbageCollector(),
    "serviceaccount-controller": lambda means: ServiceAccountController(authority(access_of(means.settings))),
}
"""The controllers by the names that `--controllers` takes."""


SILENT_SECONDS = 60.0
"""Without an answer of the API server for so long a controller is not ready."""


async def run_controller(settings: ControllerSettings) -> None:
    """Controls until cancelled; with leader election, while it leads."""
    async with HttpClient(access_of(settings), user_agent=OURS) as client:
        shift = Shift(settings)
        leadership = Leadership(client, _candidate(settings)) if settings.leader_elect else None
        server = _health_server(settings.health_port, lambda: health(leadership, shift))
        async with asyncio.TaskGroup() as tasks:
            if server is not None:
                tasks.create_task(server.serve(), name="health")
            tasks.create_task(leadership.run(shift.work) if leadership else shift.work(client), name="controllers")


class Shift:
    """The controllers at work. Each shift begins from nothing: they are made anew, and remember nothing of an earlier one."""

    def __init__(self, settings: ControllerSettings) -> None:
        self._settings = settings
        self.mirror: Mirror | None = None
        """What they follow; None while they do not work."""

    async def work(self, client: Client) -> None:
        probes = AddressProber() if self._settings.probe_addresses else None
        means = Means(self._settings, probes)
        controllers = [MAKERS[name](means) for name in chosen(self._settings.controllers).names]
        self.mirror = mirror = Mirror(client, wants(controllers))
        try:
            async with probes or nullcontext(), asyncio.TaskGroup() as tasks:
                tasks.create_task(mirror.run(), name="mirror")
                tasks.create_task(run_controllers(controllers, mirror, client, time.time), name="controllers")
        finally:
            self.mirror = None


def wants(controllers: Sequence[Controller]) -> list[Want]:
    """Each kind once. What is only of interest in the namespace of our own is followed there: kubelets renew Leases all the
    time.
    """
    wanted = dict.fromkeys(type_ for each in controllers for type_ in each.wants)
    elsewhere = {type_ for each in controllers for type_ in each.wants if not isinstance(each, AnnouncementsController)}
    ours = {each: SYSTEM_NAMESPACE for each in AnnouncementsController.ours if each not in elsewhere}
    return [Want(each, namespace=ours.get(each, ""), optional=BY_TYPE[each].is_custom) for each in wanted]


def health(leadership: Leadership | None, shift: Shift) -> RoleHealth:
    """How this process is, as its health port tells it."""
    mirror = shift.mirror
    synced, failure = (mirror.synced, mirror.contact.failure) if mirror is not None else (False, "")
    if leadership is None:
        return RoleHealth(healthy=True, ready=synced, failure=failure)
    leads = leadership.leads
    candidate = leadership.candidate
    return RoleHealth(
        healthy=leads or mirror is None,
        ready=synced if leads else leadership.silent_for < SILENT_SECONDS,
        leads=leads,
        elects=True,
        identity=candidate.identity,
        leader=candidate.holder,
        transitions=candidate.transitions,
        failure=failure,
    )


def _candidate(settings: ControllerSettings) -> Candidate:
    """Every start is another candidate: what an earlier start of this process held is not this one's."""
    terms = Terms(int(settings.lease_duration), settings.renew_deadline, settings.retry_period)
    identity = f"{socket.gethostname()}_{uuid.uuid4()}"
    return Candidate(identity, Key(settings.lease_namespace, settings.lease_name), terms)


def _health_server(port: int, check: Callable[[], RoleHealth]) -> PortServer | None:
    """None for port 0. Raises HostError where the port is not to be had."""
    if not port:
        return None
    opened = open_port(port, "health", if_taken=": does another controller run here? choose another with --health-port")
    return PortServer(opened, lambda request: respond(request, check()), Crowd())


def _chance() -> random.Random:
    return random.Random()  # noqa: S311  names of slices are no secret
