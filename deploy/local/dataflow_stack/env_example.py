"""Writes `.env.example`: every setting of every process, with its default, as environment variables.

python -m dataflow_stack.env_example > .env.example
"""

import dataclasses
import sys
from pathlib import Path
from typing import Final

from dataflow_bridge.settings import BridgeSettings
from dataflow_insight.settings import InsightSettings
from dataflow_mesh.settings import MeshSettings
from dataflow_validator.settings import ValidatorSettings

_SECTIONS: Final = (
    ("Every process", MeshSettings),
    ("bridge", BridgeSettings),
    ("validator", ValidatorSettings),
    ("insight", InsightSettings),
)
_HEAD: Final = """\
# Every setting of every process, with its default. Flags win over the environment, that over dataflow.toml
# (`python -m dataflow_bridge --print-config`). `dataflow up` sets what it must and passes the rest on.
"""
_STACK: Final = """
# dataflow up

# Where the local stack keeps its data and says where it runs.
# DATAFLOW_DATA_DIR=data
# Which Redis and Postgres it starts: path, wheels; empty: those of the PATH, else those of the wheels.
# DATAFLOW_SERVERS=
"""


def text() -> str:
    """Returns the content of `.env.example`."""
    shared = {entry.name for entry in dataclasses.fields(MeshSettings)}
    lines = [_HEAD]
    for title, settings in _SECTIONS:
        lines.append(f"# {title}\n")
        for entry in dataclasses.fields(settings):
            if settings is MeshSettings or entry.name not in shared:
                lines.append(f"# {entry.metadata.get('help', '')}".rstrip())
                lines.append(f"# DATAFLOW_{entry.name.upper()}={_shown(entry)}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n" + _STACK


def _shown(entry: "dataclasses.Field[object]") -> str:
    """Returns a default as the environment has it; nothing where there is none, or where it depends on the machine."""
    match entry.default:
        case dataclasses.MISSING | None:
            return ""
        case bool() as flag:
            return "true" if flag else "false"
        case tuple() as parts:
            return ",".join(str(part) for part in parts)
        case Path() as path:
            return str(path)
        case value:
            return str(value)


if __name__ == "__main__":
    sys.stdout.write(text())
