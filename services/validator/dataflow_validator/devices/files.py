"""Files of a job: each complete in itself, put in place by rename, so that nobody ever sees half of one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from dataflow_validator.jobs.kind import Json


def write_lines(directory: Path, name: str, lines: Sequence[bytes]) -> Json:
    """Writes one file; a step that is repeated after a death writes the same file again.

    Args:
        directory: Of the job; made if it is not there, for its owner only.
        name: Of the file.
        lines: Each with its newline.

    Returns:
        The proto JSON of an `ExportedFile`.

    Raises:
        OSError: The disk is full, or nobody may write there.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    data = b"".join(lines)
    waiting = directory / f".{name}.part"
    with waiting.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    waiting.replace(directory / name)
    return {
        "name": name,
        "rows": str(len(lines)),
        "sizeBytes": str(len(data)),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
