"""The controllers in one process: each is a pure function from what the API says to what should be written next."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import authority
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
from moorage.run.access import access_of
from moorage.settings.controllers import chosen
from moorage.settings.roles import ControllerSettings

MAKERS: Mapping[str, Callable[[ControllerSettings], Controller]] = {
    "endpointslice-controller": lambda _: EndpointSliceController(_chance()),
    "endpoints-controller": lambda _: EndpointsController(),
    "endpointslice-mirroring-controller": lambda _: MirroringController(_chance()),
    "broken-objects-controller": lambda _: BrokenObjectsController(),
    "load-balancer-controller": lambda settings: LoadBalancerController(settings.load_balancer),
    "node-lifecycle-controller": lambda settings: NodeHealthController(settings.node_grace),
    "scheduler": lambda _: Scheduler(),
    "garbage-collector-controller": lambda _: GarbageCollector(),
    "serviceaccount-controller": lambda settings: ServiceAccountController(authority(access_of(settings))),
}
"""The controllers by the names that `--controllers` takes."""


async def run_controller(settings: ControllerSettings) -> None:
    """Controls until cancelled."""
    access = access_of(settings)
    async with HttpClient(access, user_agent="moorage-controller") as client:
        await _control(settings, client)


async def _control(settings: ControllerSettings, client: HttpClient) -> None:
    """One turn of the controllers, from nothing: they are made anew, and remember nothing of an earlier one."""
    controllers = [MAKERS[name](settings) for name in chosen(settings.controllers).names]
    wanted = dict.fromkeys(type_ for each in controllers for type_ in each.wants)
    mirror = Mirror(client, [Want(type_) for type_ in wanted])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(mirror.run(), name="mirror")
        tasks.create_task(run_controllers(controllers, mirror, client, time.time), name="controllers")


def _chance() -> random.Random:
    return random.Random()  # noqa: S311  names of slices are no secret
