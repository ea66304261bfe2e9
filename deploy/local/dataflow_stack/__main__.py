"""The supervisor of `dataflow up --detach`: the same flags, behind the command that waits for it."""

import argparse
import sys
from pathlib import Path

from dataflow_stack.commands import run_behind
from dataflow_stack.options import Options

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m dataflow_stack")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port-base", type=int)
    parser.add_argument("--no-fleet", action="store_true")
    for name in ("bridges", "validators", "insights", "nodes", "node-memory"):
        parser.add_argument(f"--{name}", type=int, required=True)
    flags = parser.parse_args()
    sys.exit(
        run_behind(
            Options(
                data_dir=flags.data_dir,
                port_base=flags.port_base,
                fleet=not flags.no_fleet,
                bridges=flags.bridges,
                validators=flags.validators,
                insights=flags.insights,
                nodes=flags.nodes,
                node_memory=flags.node_memory,
            )
        )
    )
