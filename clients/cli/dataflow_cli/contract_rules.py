"""The rules of a contract as the command line takes them: files and words."""

import sys
from pathlib import Path

import click
from dataflow.validator.v1 import contract_pb2

from dataflow_cli.field_list import FieldListError, fields_of, schema_of

UNKNOWN_FIELDS = {
    "ignore": contract_pb2.UNKNOWN_FIELDS_IGNORE,
    "keep": contract_pb2.UNKNOWN_FIELDS_KEEP,
    "reject": contract_pb2.UNKNOWN_FIELDS_REJECT,
}
COERCIONS = {"strict": contract_pb2.COERCION_STRICT, "lossless": contract_pb2.COERCION_LOSSLESS}
CONFLICT_POLICIES = {"first": contract_pb2.CONFLICT_POLICY_FIRST, "both": contract_pb2.CONFLICT_POLICY_BOTH}

FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


def read_rules(spec: contract_pb2.ContractSpec, fields_file: Path | None, schema_file: Path | None) -> None:
    """Puts the fields or the JSON Schema of a file into the rules.

    Raises:
        click.BadParameter: With all that is wrong with the file.
    """
    try:
        if fields_file is not None:
            spec.fields.extend(fields_of(file_text(fields_file)))
        elif schema_file is not None:
            spec.json_schema = schema_of(file_text(schema_file))
    except FieldListError as error:
        raise click.BadParameter("\n  ".join([f"{str(fields_file or schema_file)!r}:", *error.problems])) from error


def file_text(path: Path) -> str:
    """Reads a file as JSON wants it; `-` is standard input.

    Raises:
        click.BadParameter: It cannot be read.
    """
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"cannot read {str(path)!r}: {error}") from error
