"""Correlations in many words: all wordings become the plan of the plainest one."""

from dataclasses import replace

import pytest
from dataflow_insight.plans.plan import Decline

from tests.ask_catalogue import declined, planned

PLAIN = "correlation of ozone and temperature at Huairou"
STRONGEST = "Which station has the highest correlation of temperature and ozone?"


@pytest.mark.parametrize(
    ("plain", "wording"),
    [
        (PLAIN, "How closely does ozone follow temperature at Huairou? Pearson correlation please."),
        (PLAIN, "How well does ozone track temperature at Huairou?"),
        (PLAIN, "How closely do ozone and temperature track each other at Huairou?"),
        (PLAIN, "How tightly is ozone tied to temperature at Huairou, as a correlation coefficient?"),
        (PLAIN, "pearson r between ozone and temperature at Huairou"),
        (STRONGEST, "At which station is the link between temperature and ozone the strongest (highest correlation)?"),
        (
            STRONGEST,
            "Where is the connection between temperature and ozone the strongest, i.e. the highest coefficient?",
        ),
    ],
)
def test_wordings_of_correlations_mean_the_same(plain: str, wording: str) -> None:
    """Verbs of going together ask for the coefficient."""
    assert replace(planned(wording), focus=planned(plain).focus) == planned(plain)


def test_the_strongest_link_alone_stays_unclear() -> None:
    """A strong link can be a high or a low coefficient."""
    assert (
        declined("At which station is the link between temperature and ozone the strongest?") is Decline.NOT_UNDERSTOOD
    )
