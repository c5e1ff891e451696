"""Manifests as people write them."""

from __future__ import annotations

SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: web
  labels: {app: web}
spec:
  type: NodePort
  selector: {app: web}
  ports:
  - name: http
    port: 80
    targetPort: 8080
"""

POD = """
apiVersion: v1
kind: Pod
metadata:
  name: web-1
  labels: {app: web}
spec:
  containers:
  - name: web
    image: moorage/echo
    env:
    - {name: PORT, value: "8080"}
    resources:
      requests: {cpu: 10m, memory: 16Mi}
    readinessProbe:
      httpGet: {path: /ready, port: 8080}
      periodSeconds: 1
"""


def pool(number: int) -> str:
    """Pools may not overlap: each number gives other addresses."""
    return f"""
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: pool
spec:
  addresses:
  - 198.19.{number}.1-198.19.{number}.9
"""


def node(name: str) -> str:
    return f"""
apiVersion: v1
kind: Node
metadata:
  name: {name}
  labels: {{node-role.kubernetes.io/worker: ""}}
spec:
  podCIDR: 10.244.1.0/24
  podCIDRs: [10.244.1.0/24]
"""
