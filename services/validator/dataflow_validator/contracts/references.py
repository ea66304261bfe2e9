"""Where the references of a JSON Schema lead, inside its own document: pointers, anchors and embedded resources."""

from collections.abc import Mapping
from urllib.parse import unquote, urldefrag, urljoin

from dataflow_validator.contracts.pointer import MISSING, resolve, tokens_of
from dataflow_validator.contracts.spec import Json


class References:
    """Finds the targets of references within one document.

    Whether each of them leads anywhere is the engine's to say; here a reference that is not understood leads nowhere.

    Args:
        document: The whole schema.
    """

    def __init__(self, document: Json) -> None:
        self._bases: dict[int, str] = {}
        self._places: dict[str, Json] = {"": document}
        # Without recursion: documents are read here before their depth is known to be bounded.
        pending: list[tuple[Json, str]] = [(document, "")]
        while pending:
            value, base = pending.pop()
            if isinstance(value, dict):
                if isinstance(own := value.get("$id"), str):
                    base = _joined(base, own)
                    self._places.setdefault(base, value)
                for keyword in ("$anchor", "$dynamicAnchor"):
                    if isinstance(name := value.get(keyword), str):
                        self._places.setdefault(f"{base}#{name}", value)
                self._bases[id(value)] = base
                pending.extend((inner, base) for inner in value.values())
            elif isinstance(value, list):
                pending.extend((inner, base) for inner in value)

    def target(self, schema: Mapping[str, Json], keyword: str = "$ref") -> Json:
        """Follow a reference.

        Args:
            schema: A subschema, as it stands in the document.
            keyword: "$ref" or "$dynamicRef", which is followed as if nothing overrode it.

        Returns:
            The subschema it leads to; `None` where it leads nowhere in the document.
        """
        reference = schema.get(keyword)
        if not isinstance(reference, str):
            return None
        address, fragment = urldefrag(_joined(self._bases.get(id(schema), ""), reference))
        if fragment and not fragment.startswith("/"):
            return self._places.get(f"{address}#{fragment}")
        root = self._places.get(address)
        if root is None or not fragment:
            return root
        try:
            found = resolve(root, tokens_of(unquote(fragment)))
        except ValueError:
            return None
        return None if found is MISSING else found  # type: ignore[return-value]


def _joined(base: str, reference: str) -> str:
    try:
        joined = urljoin(base, reference)
    except ValueError:
        return reference
    return joined.removesuffix("#")
