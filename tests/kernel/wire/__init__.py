"""Packets through the kernel of one node, and everything that comes out of it: `node.WireNode`."""
