"""What becomes of the dependents of a deleted object: three policies, and the finalizers that carry two of them out.

Source: `meta/v1` DeletionPropagation, and its finalizers `orphan` and `foregroundDeletion`.
"""

BACKGROUND = "Background"
"""The object goes at once, its dependents after it."""
FOREGROUND = "Foreground"
"""The object goes after those of its dependents that block its deletion."""
ORPHAN = "Orphan"
"""The dependents stay and forget their owner."""

FOREGROUND_FINALIZER = "foregroundDeletion"
ORPHAN_FINALIZER = "orphan"
