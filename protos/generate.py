"""Generates protos/gen from protos/**/*.proto; --check fails when the committed code differs."""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent
GEN = PROTOS / "gen"


def generate(target: Path) -> None:
    """Writes modules, service stubs and .pyi of every proto below `target`."""
    sources = sorted(str(p.relative_to(PROTOS)) for p in PROTOS.glob("[db]*/**/*.proto"))
    services = [s for s in sources if s.endswith("_service.proto")]
    scripts = Path(sys.executable).parent
    include = [
        f"-I{PROTOS}",
        f"-I{resources.files('grpc_tools') / '_proto'}",
        f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
    ]
    runs = (
        ["protoc", *include, f"--python_out={target}", f"--mypy_out=quiet:{target}", *sources],
        ["protoc", *include, f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet:{target}", *services],
    )
    for arguments in runs:
        if protoc.main(arguments) != 0:
            raise SystemExit("protoc failed")
    for package in ("dataflow", "buf"):
        (target / package / "py.typed").touch()


def differences(left: Path, right: Path) -> list[str]:
    """Names of files that are missing on one side or differ."""
    names = {
        str(p.relative_to(root))
        for root in (left, right)
        for p in root.rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    return sorted(
        n
        for n in names
        if not ((left / n).is_file() and (right / n).is_file() and filecmp.cmp(left / n, right / n, shallow=False))
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when protos/gen is not current")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        generate(fresh)
        changed = differences(fresh, GEN)
        if check:
            for name in changed:
                print(f"protos/gen/{name} is not current: run `make generate`", file=sys.stderr)
            return 1 if changed else 0
        shutil.rmtree(GEN, ignore_errors=True)
        shutil.copytree(fresh, GEN)
        GEN.chmod(0o755)  # the scratch directory is its owner's alone
    return 0


if __name__ == "__main__":
    sys.exit(main())
