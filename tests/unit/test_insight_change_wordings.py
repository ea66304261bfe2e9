"""Changes in many words: all wordings become the plan of the plainest one."""

from dataclasses import replace

import pytest

from tests.ask_catalogue import planned

MEANS = "mean PM2.5 at Gucheng on 2014-01-15 minus mean PM2.5 at Gucheng on 2014-01-14"
NET = "How much did the temperature at Wanliu change from the first to the last reading?"
ON_A_DAY = "net change of temperature at Wanliu on 2014-01-20 from 00:00 to 23:00"
FALL = "When was the largest drop of temperature at Huairou from one hour to the next?"
LOST = "Which station has the most missing ozone values?"
SWING = "range of temperature at Guanyuan on 2014-01-22"


@pytest.mark.parametrize(
    ("plain", "wording"),
    [
        (MEANS, "how much did PM2.5 at Gucheng rise on average from 14 to 15 January 2014 (daily means)"),
        (MEANS, "By how much did the daily mean of PM2.5 at Gucheng rise from 14 January to 15 January 2014?"),
        (MEANS, "How much did the average PM2.5 at Gucheng change from January 14 to 15?"),
        (NET, "How did the temperature at Wanliu change from the first to the last reading of the month?"),
        (NET, "temperature at Wanliu: last reading minus first reading"),
        (NET, "What is the last temperature value minus the first temperature value at Wanliu?"),
        (ON_A_DAY, "net change in temperature at Wanliu on 2014-01-20, midnight reading to 23:00"),
        (ON_A_DAY, "change in temperature at Wanliu on 2014-01-20 from the 00:00 reading to the 23:00 reading"),
        (ON_A_DAY, "How much did the temperature at Wanliu change on 2014-01-20 between the reading at midnight and the reading at 23:00?"),
        (FALL, "When did the temperature at Huairou fall most sharply from one hour to the next?"),
        (FALL, "When did the temperature at Huairou drop most steeply within an hour?"),
        (FALL, "At what time did the temperature fall the most from hour to hour at Huairou?"),
        (LOST, "Which site lost the most ozone values?"),
        ("Which station rose the most in PM2.5 from the first to the last reading?", "Which station saw the biggest increase in PM2.5 from the first to the last reading?"),
        ("How much did press-1 warm up from the first to the last reading?", "How much did press-1 heat up between the first and the last reading?"),
        (LOST, "Which station lost the most ozone readings?"),
        ("How many ozone values are missing at Dongsi?", "How many ozone values did Dongsi lose?"),
        (SWING, "By how many degrees did the temperature swing (max minus min) at Guanyuan on 2014-01-22?"),
        (SWING, "How much did the temperature vary (highest minus lowest) at Guanyuan on 2014-01-22?"),
    ],
)  # fmt: skip
def test_wordings_of_changes_mean_the_same(plain: str, wording: str) -> None:
    """What is said first may differ; what is computed may not."""
    assert replace(planned(wording), focus=planned(plain).focus) == planned(plain)
