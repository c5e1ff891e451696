"""`python -m moorage.run.speaker node|edge NAME`: the speaker of a node or an edge, which its agent starts
(`speaker_child.py`).
"""

from __future__ import annotations

import sys

from moorage.announce.speaker_io import speak
from moorage.model.announcing import EDGES, NODES
from moorage.model.errors import HostError


def main() -> int:
    try:
        speak({each.word: each for each in (NODES, EDGES)}[sys.argv[1]], sys.argv[2])
    except HostError as error:
        sys.stderr.write(f"speaker: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
