"""How clauses of a summary that passed the gate become sentences."""

from dataflow_insight.answers.draft import Bound
from dataflow_insight.summaries.compose import Passed, compose


def clause(lead: str, rest: str, *bound: str, link: str = ", ") -> Passed:
    """Returns a clause that passed, with pieces that stand on cells."""
    return Passed(f"{lead}{rest}. ", tuple(Bound(text, 0, 0) for text in bound), len(lead), link)


LEVEL = clause("", "average temperature remained stable at 28.7 °C", "28.7")
RANGE = clause("temperature was ", "mostly between 27 and 30 °C", "27", "30")
STEP = clause("", "humidity rose slightly after 18:00", "18:00", link="; ")
AVERAGED = clause("humidity ", "averaged 45.4 % overall", "45.4", link=" and ")


def test_clauses_of_a_field_become_one_sentence_without_their_subjects() -> None:
    """The first clause stands whole, the others behind their link; what is bound stays bound, in order."""
    found = compose([((LEVEL, RANGE), True)])
    assert found.text == "Average temperature remained stable at 28.7 °C, mostly between 27 and 30 °C."
    assert [bound.text for bound in found.bindings] == ["28.7", "27", "30"]


def test_clause_whose_forerunner_did_not_pass_stands_whole() -> None:
    """Without the level the range names its subject itself; without any clause there is no sentence."""
    assert compose([((RANGE,), True), ((), True), ((AVERAGED,), False)]).text == (
        "Temperature was mostly between 27 and 30 °C. Humidity averaged 45.4 % overall."
    )
    assert compose([((), True)]).text == ""


def test_two_short_fields_share_a_sentence_and_others_do_not() -> None:
    """Two at most, no long ones, none with a semicolon, and only fields."""
    both = compose([((LEVEL, RANGE), True), ((STEP, AVERAGED), True), ((LEVEL,), True), ((STEP,), False)])
    assert both.text == (
        "Average temperature remained stable at 28.7 °C, mostly between 27 and 30 °C; humidity rose slightly after 18:00"
        " and averaged 45.4 % overall. Average temperature remained stable at 28.7 °C. Humidity rose slightly after 18:00."
    )
    long = clause("", "average light was 193 lux" + ", mostly" * 20)
    assert ";" not in compose([((LEVEL,), True), ((long,), True)]).text
    assert compose([((LEVEL, STEP), True), ((LEVEL,), True)]).text.count(";") == 1


def test_sentences_begin_with_a_capital_and_names_stay_as_they_are() -> None:
    """A plain word gets a capital; a name with figures stands behind an article, a quoted one in its quotation marks."""
    texts = ("humidity fell", "pm2.5 fell", '"a b" fell', "PM10 fell")
    assert [compose([((clause("", text),), True)]).text for text in texts] == [
        "Humidity fell.",
        "The pm2.5 fell.",
        '"a b" fell.',
        "PM10 fell.",
    ]


def test_what_is_bound_in_a_dropped_subject_is_not_in_the_text() -> None:
    """A binding goes with the words that it belongs to."""
    assert [
        bound.text for bound in compose([((LEVEL, clause("at room-b ", "it was 30", "room-b", "30")), True)]).bindings
    ] == [
        "28.7",
        "30",
    ]
