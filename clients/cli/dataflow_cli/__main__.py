"""Entry point of the `dataflow` command and of `python -m dataflow_cli`."""

from dataflow_cli.root import dataflow


def main() -> None:
    """Runs the command and exits with its code."""
    dataflow(prog_name="dataflow")


if __name__ == "__main__":
    main()
