"""The controllers in one process: each is a pure function from what the API says to what should be written next."""

from __future__ import annotations

import asyncio
import random
import time

import msgspec

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig import Access
from moorage.client.kubeconfig_io import authority, load
from moorage.client.mirror_io import Mirror, Want
from moorage.control.broken_objects import BrokenObjectsController
from moorage.control.endpoint_slices import EndpointSliceController
from moorage.control.endpoints_objects import EndpointsController
from moorage.control.garbage import GarbageCollector
from moorage.control.load_balancers import LoadBalancerController
from moorage.control.loop_io import run_controllers
from moorage.control.mirroring import MirroringController
from moorage.control.node_health import NodeHealthController
from moorage.control.schedule import Scheduler
from moorage.control.service_accounts import ServiceAccountController
from moorage.control.types import Controller
from moorage.model.kinds import BY_TYPE


class ControllerSettings(msgspec.Struct, frozen=True):
    """`load_balancer` is "edge" or "none". `node_grace` is how long a node may miss its Lease, in seconds (Kubernetes: 40).
    `housekeeping` is for a cluster without kube-controller-manager: garbage collection, and what every namespace has.
    """

    kubeconfig: str
    load_balancer: str = "edge"
    node_grace: float = 40.0
    housekeeping: bool = True


async def run_controller(settings: ControllerSettings) -> None:
    """Controls until cancelled."""
    access = load(settings.kubeconfig)
    chance = random.Random()  # noqa: S311  names of slices are no secret
    controllers: tuple[Controller, ...] = (
        EndpointSliceController(chance),
        EndpointsController(),
        MirroringController(chance),
        BrokenObjectsController(),
        LoadBalancerController(settings.load_balancer),
        NodeHealthController(settings.node_grace),
        Scheduler(),
        *(_housekeepers(access) if settings.housekeeping else ()),
    )
    async with HttpClient(access, user_agent="moorage-controller") as client, asyncio.TaskGroup() as tasks:
        wanted = dict.fromkeys(type_ for each in controllers for type_ in each.wants)
        mirror = Mirror(client, [Want(type_, optional=BY_TYPE[type_].is_custom) for type_ in wanted])
        tasks.create_task(mirror.run(), name="mirror")
        tasks.create_task(run_controllers(controllers, mirror, client, time.time), name="controllers")


def _housekeepers(access: Access) -> tuple[Controller, ...]:
    return GarbageCollector(), ServiceAccountController(authority(access))
