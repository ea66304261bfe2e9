"""What an answer may lean on: the catalogue, read again before a question is declined."""

from dataclasses import replace

from dataflow_insight.catalogue.catalogue import Catalogue, Catalogues
from dataflow_insight.engines.engine import Asked


async def with_news(survey: Catalogues, asked: Asked) -> Asked | None:
    """Returns the question with a newer catalogue; None where that knows no other contract, field or device.

    A contract or device that is new must not be said to be unknown.
    """
    newer = await survey.catalogue(asked.question, fresh=True)
    if newer is asked.catalogue or _names(newer) == _names(asked.catalogue):
        return None
    return replace(asked, catalogue=newer)


def _names(catalogue: Catalogue) -> list[tuple[object, ...]]:
    return [(item.name, item.fields, item.devices, item.first_time is None) for item in catalogue.contracts]
