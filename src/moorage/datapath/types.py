"""The boundary between the table and a kernel: what every datapath does, and what it answers."""

from __future__ import annotations

from typing import Protocol

import msgspec

from moorage.table.types import ForwardingTable


class Applied(msgspec.Struct, frozen=True):
    """What one `apply` did: operations written to the kernel (0 when nothing changed) and kernel time in seconds."""

    operations: int
    seconds: float


class Repair(msgspec.Struct, frozen=True):
    """Somebody else has changed what was installed, and it is as it should be again. `found` says who and what, in words."""

    found: tuple[str, ...]
    operations: int
    seconds: float


class Datapath(Protocol):
    """Makes a kernel agree with a table. Applying the same table twice changes nothing the second time.

    Each `apply` is one transaction: a packet sees the old table or the new one. Raises HostError when the kernel refuses;
    the installed state is then unchanged and the next `apply` tries again from what is really installed.
    """

    def start(self) -> None:
        """Installs the constant program, keeping the state of an earlier run with the same layout."""
        ...

    def apply(self, table: ForwardingTable) -> Applied: ...

    def settle(self) -> int:
        """Forgets tracked flows that contradict the tables applied since the last call, and gives their number.

        To be called soon after `apply` (tens of milliseconds); one call serves many. It costs a walk through the kernel's
        connection tracking, 6 ms and more, which is why no change waits for it; with nothing to forget it costs nothing.
        """
        ...

    def fileno(self) -> int | None:
        """Readable when others may have changed what is installed: then `inspect`. None where nobody can."""
        ...

    def inspect(self) -> Repair | None:
        """Looks whether others have changed what is installed, and puts it right; None where all is well."""
        ...

    def remove(self) -> None:
        """Takes away everything of ours. Absent is not an error."""
        ...
