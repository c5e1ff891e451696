"""One node of the lab: its agent as a process in its namespace, its kubelet in this process, and its cable."""

from __future__ import annotations

import structlog

HEALTH_PORT = 10256

log = structlog.get_logger()
