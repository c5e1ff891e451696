"""The lab of failovers with a pair of edges in front of two nodes.

client --- 1,000 datagrams a second ---> the address ---> edge-1 or edge-2 ---> NodePort of node-1 or node-2 ---> server
"""

from __future__ import annotations

from pathlib import Path

from moorage.model.announcing import EDGES
from moorage.run.agent_process import AgentProcess
from moorage.run.bench_failover_lab_io import FailoverLab


class EdgeLab(FailoverLab):
    """`names` are the edges."""

    group = EDGES
    load_balancer = "moorage.dev/edge"

    def __init__(self, instance: str, edges: int = 2, addresses: int = 1) -> None:
        super().__init__(instance, 2, addresses)
        self.names = tuple(f"edge-{number}" for number in range(1, edges + 1))

    def _agent(self, name: str, kubeconfig: Path, log: Path) -> AgentProcess:
        if name in self.nodes:
            return super()._agent(name, kubeconfig, log)
        options = ("--interface", "eth0", "--run-dir", str(log.parent / f"run-{name}"))
        return AgentProcess(self.namespace(name), name, kubeconfig, log, options, "edge")
