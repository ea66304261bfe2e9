"""Entry point of the `dataflow` command and of `python -m dataflow_cli`."""

import os


def main() -> None:
    """Runs the command and exits with its code."""
    # gRPC's core reads this when it is imported, and would otherwise write its own lines beside ours when a server ends.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from dataflow_cli.root import dataflow  # noqa: PLC0415  # only now, see above

    dataflow(prog_name="dataflow")


if __name__ == "__main__":
    main()
