"""EndpointSlices -> those of each Service, kept in step with changes."""

from __future__ import annotations

from collections.abc import Iterable

from moorage.model.meta import Key
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot


class SliceIndex:
    """EndpointSlices by the Service they name in their label; a slice may change its Service."""

    def __init__(self, slices: Iterable[EndpointSlice] = ()) -> None:
        self._by_service: dict[Key, dict[Key, EndpointSlice]] = {}
        self._service: dict[Key, Key] = {}
        for each in slices:
            self._add(each)

    def of(self, service: Key) -> tuple[EndpointSlice, ...]:
        return tuple(self._by_service.get(service, {}).values())

    def update(self, snapshot: Snapshot, keys: Iterable[Key]) -> set[Key]:
        """Reads the named slices again; the result names the Services that gained, lost or kept one of them."""
        touched = set()
        for key in keys:
            before = self._service.pop(key, None)
            if before is not None:
                touched.add(before)
                of_service = self._by_service[before]
                del of_service[key]
                if not of_service:
                    del self._by_service[before]
            now = snapshot.get(EndpointSlice, key)
            if now is not None and now.service_name:
                touched.add(self._add(now))
        return touched

    def _add(self, slice_: EndpointSlice) -> Key:
        service = Key(slice_.metadata.namespace, slice_.service_name)
        if service.name:
            self._by_service.setdefault(service, {})[slice_.key] = slice_
            self._service[slice_.key] = service
        return service
