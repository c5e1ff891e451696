"""Chunks of a stream -> whole frames, each behind its length: four bytes, the most significant first.

Source: `framer.NewLengthDelimitedFrameReader` of apimachinery, the frames of a watch in protobuf.
"""

from __future__ import annotations

from collections.abc import Sequence

from moorage.model.errors import HostError

_HEAD = 4
LIMIT = 64 << 20
"""Bytes. An object in etcd has 1.5 MB at most; a longer frame is no frame."""


class Frames:
    """Cuts what arrives at the ends of frames. A frame may span any number of chunks."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, chunk: bytes) -> Sequence[bytes]:
        """The frames that this chunk completes, without their length. Raises HostError where a length makes no sense."""
        self._begun += chunk
        whole: list[bytes] = []
        position = 0
        while len(self._begun) >= position + _HEAD:
            start = position + _HEAD
            size = int.from_bytes(self._begun[position:start], "big")
            if size > LIMIT:
                raise HostError(f"the API server sent a watch event of {size} bytes: this is no protobuf stream")
            if len(self._begun) < start + size:
                break
            position = start + size
            whole.append(bytes(self._begun[start:position]))
        del self._begun[:position]
        return whole
