"""How long speakers wait for each other, in seconds. All of them count on the clock that goes on while a machine
sleeps.

A speaker answers for an address until DOWN after it *sent* what a majority has acknowledged; the majority gives the
address to nobody else until UP after it *received* that. So the one has ended before another begins, however late
messages are.
"""

BEAT = 0.05
"""Between two heartbeats to each of the others: of the six within DOWN, five may be lost."""

DOWN = 0.3
UP = 0.45

JOIN = 1.0
"""A speaker gets addresses once the others have heard it for so long without a gap of UP."""

STEP_RETRY = 0.5
"""Until a change of the view that did not come about is proposed again, or by the next in line."""

CONTEST = 0.15
"""A claim that has no majority for so long, beside another's claim for the same address, gives way if it ranks
lower.
"""

FUTILE = 0.6
"""A claim that has no majority for so long is withdrawn for a while, of its own length up to twice this."""

ORPHAN = 1.0
"""An address that nobody claims for so long is claimed also by those that the election does not name, one after the
other.
"""

HOLD = 15.0
"""How long a speaker goes on alone when its agent has ended: the time for an upgrade."""

LEAVE = 2.0
"""How long a speaker that leaves waits for others to ask for its addresses."""
