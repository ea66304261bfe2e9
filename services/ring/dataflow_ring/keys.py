"""Names on a ring node: its streams, its group, the fields of an entry, its incarnation key."""

from __future__ import annotations

from typing import Final

BATCHES: Final = b"dataflow:batches"
"""Stream of first copies; validators read it through the group."""
COPIES: Final = b"dataflow:copies"
"""Stream of further copies; read only to discard what is committed, or when a first copy is gone."""
GROUP: Final = b"validators"
"""Consumer group on BATCHES, made at admission from entry 0."""
INCARNATION: Final = b"dataflow:incarnation"
"""Written at admission: tells the admitted node from an empty one at the same address."""
EPOCH: Final = b"dataflow:epoch"
"""Of the last change of membership that this node has seen; an older one is refused."""
RETURNED: Final = b"dataflow:returned"
"""Set of streams that were set aside when the node left; their names begin with this key. Validators park them."""
RECOPIER: Final = b"dataflow:recopier"
"""Which bridge looks after missing copies while Postgres is away, and how many it found; expires by itself."""

FIELD_BATCH_ID: Final = b"batch_id"
FIELD_PRIMARY: Final = b"primary"
FIELD_COPY: Final = b"copy"
FIELD_BYTES: Final = b"bytes"
