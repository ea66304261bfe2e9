"""Keeps the log files of the children small.

Children write to their files themselves, so that nothing is lost when the supervisor dies; so a full file is copied and
emptied in place, which costs at most the lines written in between.
"""

import shutil
from pathlib import Path
from typing import Final

LIMIT_BYTES: Final = 16 << 20
"""A log file that is larger becomes `<name>.log.1`, in place of the one before."""


def cap(folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
    """Turns over every log file of a folder that has grown beyond the limit."""
    for log in folder.glob("*.log"):
        if log.stat().st_size > limit_bytes:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            log.with_name(f"{log.name}.1").chmod(0o600)
            with log.open("r+b") as file:
                file.truncate()
