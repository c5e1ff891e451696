"""Writes a Pod's status to the API: the newest wins, a write that fails is repeated, and at the end the object is removed."""

from __future__ import annotations

import asyncio

from moorage.lab.pod_status import status_patch
from moorage.model.errors import ApiError, HostError
from moorage.model.pods import Pod, PodStatus
from moorage.model.ports import Client

_FIRST_PAUSE, _LAST_PAUSE = 0.1, 5.0


class StatusReporter:
    """Reports one Pod. `report` does not wait; what is reported while a write is under way is written after it, at once."""

    def __init__(self, client: Client, pod: Pod) -> None:
        self._client = client
        self._key, self._uid = pod.key, pod.metadata.uid
        self._wanted: PodStatus | None = None
        self._news = asyncio.Event()

    def report(self, status: PodStatus) -> None:
        self._wanted = status
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            await self._news.wait()
            self._news.clear()
            status, self._wanted = self._wanted, None
            if status is None or await self._write(status):
                pause = _FIRST_PAUSE
                continue
            self._wanted = self._wanted or status
            self._news.set()
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_PAUSE)

    async def finish(self, status: PodStatus) -> None:
        """The last status, then the end of the object: repeated until the API has taken both."""
        pause = _FIRST_PAUSE
        while not (await self._write(status) and await self._remove()):
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_PAUSE)

    async def _write(self, status: PodStatus) -> bool:
        """Whether that is done with: written, or the Pod is gone or another."""
        try:
            await self._client.merge_patch(Pod, self._key, status_patch(self._uid, status), "status")
        except (ApiError, HostError) as error:
            return is_settled(error)
        return True

    async def _remove(self) -> bool:
        try:
            await self._client.delete(Pod, self._key, self._uid, 0)
        except (ApiError, HostError) as error:
            return is_settled(error)
        return True


def is_settled(error: ApiError | HostError) -> bool:
    """The API understood and refused: trying again would not help."""
    return isinstance(error, ApiError) and error.code < 500 and error.code != 429
