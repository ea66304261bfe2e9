"""Files of export jobs: written aside, and put in place by rename, so that nobody ever sees half of one."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from dataflow_validator.jobs.context import JobContext
from dataflow_validator.jobs.kind import JobFailedError, Json


class JobFile:
    """One file on its way; leaving the context removes what was not put in place.

    Args:
        directory: Of the job; made if it is not there, for its owner only.
        name: Of the file.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.rows = 0
        self.size = 0
        self._target = directory / name
        # Its own name: a worker that was taken for dead may be writing the same file, and must not write into this one.
        self._waiting = directory / f".{name}.{uuid4().hex}.part"
        self._digest = hashlib.sha256()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in directory.glob(f".{name}.*.part"):
            # Of a worker that was killed; of one that only froze it is not the part's file any more either.
            left.unlink(missing_ok=True)
        self._file = self._waiting.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            self._waiting.unlink()

    def write(self, data: bytes, rows: int = 0) -> None:
        """Appends bytes.

        Args:
            data: The bytes.
            rows: How many rows they are the end of.
        """
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)
        self.rows += rows

    def settle(self) -> None:
        """Brings what was written to the disk; blocks, so call it in a thread and before the transaction."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def place(self) -> Json:
        """Puts the file in place, over one of the same name that a step wrote before it died.

        Returns:
            The proto JSON of an `ExportedFile`.
        """
        self._waiting.replace(self._target)
        return {
            "name": self._target.name,
            "rows": str(self.rows),
            "sizeBytes": str(self.size),
            "sha256": self._digest.hexdigest(),
        }


def directory_of(context: JobContext) -> Path:
    """Returns where the files of a job go.

    Raises:
        JobFailedError: This validator has no place for files.
    """
    if context.export_dir is None:
        raise JobFailedError("EXPORT_UNAVAILABLE", "no directory for exports: set `export_dir` of the validators")
    return context.export_dir / str(context.job_id)


def combined(results: Sequence[Json]) -> Json:
    """Returns the proto JSON of a `FileExportResult` for the results of all parts."""
    files = [file for result in results for file in result.get("files", ())]
    return {
        "directory": next((result["directory"] for result in results if "directory" in result), ""),
        "rows": str(sum(int(file["rows"]) for file in files)),
        "sizeBytes": str(sum(int(file["sizeBytes"]) for file in files)),
        "files": files,
    }
