"""Writes `errors.py` from `error_reason.proto`: one class for each documented reason.

Run as `python -m dataflow_client._generate [--check] PROTO`; a unit test runs the same check.
"""

import re
import sys
import textwrap
from pathlib import Path

from dataflow_client import codes

_VALUE = re.compile(r"((?:^  //[^\n]*\n)+)  ERROR_REASON_(\w+) = (\d+);", re.MULTILINE)
_HEAD = '''"""Every error of this SDK: one class for each gRPC code and for each `dataflow.error.v1.ErrorReason`.

Generated from error_reason.proto by `python -m dataflow_client._generate`; not edited by hand.
"""

from collections.abc import Mapping
from types import MappingProxyType

'''


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_")) + "Error"


def _order(name: str) -> tuple[bool, str]:
    return (not name.isupper(), name)  # as ruff sorts names: constants first


def errors_source(proto: str) -> str:
    """Returns the text of `errors.py` for the text of `error_reason.proto`.

    Raises:
        ValueError: A reason's comment does not begin with its gRPC code.
    """
    classes: list[str] = []
    entries: list[str] = []
    by_code = {error.code.name: error.__name__ for error in codes.BY_CODE.values()}
    for comment, reason, number in _VALUE.findall(proto):
        if number == "0":
            continue
        text = " ".join(line.strip().removeprefix("//").strip() for line in comment.strip().splitlines())
        code, dot, meaning = text.partition(". ")
        if not dot or code not in by_code:
            raise ValueError(f"the comment of {reason} does not begin with a gRPC code: {text!r}")
        name = _class_name(reason)
        if name == by_code[code]:
            entries.append(f'        "{reason}": {name},')
            continue
        entries.append(f'        "{reason}": {name},')
        first, _, rest = meaning.replace("\\", "\\\\").partition(". ")
        document = f'"""{first.rstrip(".")}.'
        if rest:
            document += "\n\n" + textwrap.indent(textwrap.fill(rest, 116), "    ") + "\n    "
        classes.append(f'class {name}({by_code[code]}):\n    {document}"""\n')
    names = "\n".join(entries)
    of_codes = ["BY_CODE", "DataflowError", "ErrorDetails", "Violation", *by_code.values()]
    imports = (
        "from dataflow_client.codes import (\n"
        + "".join(f"    {name},\n" for name in sorted(of_codes, key=lambda name: (not name.isupper(), name.lower())))
        + ")\n"
    )
    public = sorted(["BY_REASON", *of_codes, *re.findall(r"(?m)^class (\w+)", "\n".join(classes))], key=_order)
    exports = "__all__ = [\n" + "".join(f'    "{name}",\n' for name in public) + "]\n"
    table = (
        "BY_REASON: Mapping[str, type[DataflowError]] = MappingProxyType(\n    {\n"
        f'{names}\n    }}\n)\n"""The class of each reason."""\n'
    )
    return _HEAD + imports + "\n" + exports + "\n\n" + "\n\n".join([*classes, table])


def main(arguments: list[str]) -> int:
    """Writes the file, or with `--check` only says whether it is current."""
    check = "--check" in arguments
    proto = Path(next(argument for argument in arguments if argument != "--check"))
    source = errors_source(proto.read_text(encoding="utf-8"))
    target = Path(__file__).with_name("errors.py")
    if check:
        return 0 if target.read_text(encoding="utf-8") == source else 1
    target.write_text(source, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
