"""The table of images: image -> the program that it starts. The lab has no container engine; an image is a known program."""

from __future__ import annotations

import msgspec

from moorage.lab.launch import ECHO
from moorage.model.pods import Container
from moorage.model.reason import Reason

ECHO_IMAGE = "moorage/echo"
HOST_IMAGE = "moorage/host"

ENTRYPOINTS: dict[str, tuple[str, ...]] = {ECHO_IMAGE: ECHO, HOST_IMAGE: ()}
"""What an image runs when the container gives no `command`. An empty one means: the container has to."""


class Refused(msgspec.Struct, frozen=True):
    """Why a container cannot be run, and what to do about it."""

    reason: Reason
    message: str


def base_name(image: str) -> str:
    """The image without registry, tag and digest: `docker.io/moorage/echo:1.2` is `moorage/echo`."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    name = head + slash + last.partition(":")[0]
    first, slash, rest = name.partition("/")
    return rest if slash and "/" in rest and ("." in first or ":" in first) else name


def command_of(container: Container) -> tuple[str, ...] | Refused:
    """Command and arguments before `$(VAR)` is expanded: `command` replaces the image's program, `args` follow either."""
    entrypoint = ENTRYPOINTS.get(base_name(container.image))
    if entrypoint is None:
        return Refused(
            Reason.IMAGE_NOT_RUNNABLE,
            f'the lab cannot run the image "{container.image}": it has no container engine. Use {ECHO_IMAGE}, or image '
            f"{HOST_IMAGE} with a `command`, which runs a program of this machine",
        )
    if not container.command and not entrypoint:
        return Refused(
            Reason.IMAGE_NOT_RUNNABLE,
            f'the image "{container.image}" has no program of its own: give the container a `command`, '
            "which is run as a program of this machine",
        )
    return (*(container.command or entrypoint), *container.args)
