"""How the commands show what export jobs wrote."""

import click
from dataflow.validator.v1 import file_export_pb2, job_pb2

from dataflow_cli.output import print_table, size


def show_files(job: job_pb2.Job) -> None:
    """Prints the files that an export job wrote."""
    result: file_export_pb2.FileExportResult = getattr(job, job.WhichOneof("result") or "readings_export")
    click.echo(f"{result.rows} rows, {size(result.size_bytes)}" + (f" in {result.directory}" if result.files else ""))
    if result.files:
        click.echo()
        print_table(
            ("file", "rows", "size", "sha256"),
            [(file.name, file.rows, size(file.size_bytes), file.sha256) for file in result.files],
        )
