"""What is measured of requests, and `/metrics` in the text format of Prometheus.

Names and labels are those of kube-apiserver (`apiserver/pkg/endpoints/metrics`): its dashboards show this server too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from moorage.api.exchange import Response
from moorage.api.routes import Target, Verb

PATH = "/metrics"

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds. Upstream's begin at 5 ms; most requests here take less."""

_VERBS = {Verb.CREATE: "POST", Verb.UPDATE: "PUT", Verb.DELETE_COLLECTION: "DELETECOLLECTION"}
"""Upstream names verbs of metrics by the HTTP method where there is one of its own."""

_LABELS = ("verb", "group", "version", "resource", "subresource", "scope")


class Metrics:
    """The measurements of one server. `revision` gives the newest version in the store."""

    def __init__(self, revision: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "apiserver_request_total", "Requests by what was asked and how it was answered.",
            (*_LABELS, "code"), registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "apiserver_request_duration_seconds", "From the head of a request to its answer; watches are not counted.",
            _LABELS, registry=self._registry, buckets=_BUCKETS,
        )  # fmt: skip
        self._open = Gauge(
            "apiserver_longrunning_requests", "Watches that are open.", _LABELS, registry=self._registry
        )  # fmt: skip
        self._known: dict[tuple[tuple[str, ...], int], tuple[Counter, Callable[[], Histogram]]] = {}
        store = Gauge("moorage_store_revision", "The newest version in the store.", registry=self._registry)
        store.set_function(revision)

    def answered(self, verb: Verb, target: Target, code: int, seconds: float) -> None:
        labels = _labels(verb, target)
        count, duration = self._children(labels, code)
        count.inc()
        if verb is not Verb.WATCH:
            duration().observe(seconds)

    def _children(self, labels: tuple[str, ...], code: int) -> tuple[Counter, Callable[[], Histogram]]:
        """What counts requests of that kind; looking it up by its labels takes longer than counting."""
        found = self._known.get((labels, code))
        if found is None:
            duration = functools.cache(lambda: self._seconds.labels(*labels))
            found = self._known[labels, code] = self._requests.labels(*labels, str(code)), duration
        return found

    def watching(self, target: Target) -> AbstractContextManager[object]:
        """Counts an open watch while it is entered."""
        return self._open.labels(*_labels(Verb.WATCH, target)).track_inprogress()

    def render(self) -> Response:
        return Response(200, CONTENT_TYPE_LATEST, (generate_latest(self._registry),))


def _labels(verb: Verb, target: Target) -> tuple[str, ...]:
    kind = target.kind
    if target.name:
        scope = "resource"
    elif target.namespace:
        scope = "namespace"
    else:
        scope = "cluster"
    name = _VERBS.get(verb) or verb.value.upper()
    return name, kind.group, kind.version, kind.plural, target.subresource, scope
