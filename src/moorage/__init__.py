"""Moorage: Kubernetes Services, end to end, with the Linux kernel doing the forwarding."""
