"""What is said when there is no answer: never a number, and never a digit, since it could be taken for one."""

from collections.abc import Iterable
from typing import Final

from dataflow_insight.catalogue.catalogue import Contract
from dataflow_insight.plans.plan import Decline, Declined

_MOST_NAMES: Final = 12


def unknown_device(contract: Contract) -> Declined:
    """Returns the refusal for a device that the contract has no reading of."""
    return Declined(
        Decline.UNKNOWN_DEVICE,
        f"There is no device of that name: nothing is known about it. {_listed('Known devices are', contract.devices)}".strip(),
    )


def unknown_field(contract: Contract, quantity: str = "") -> Declined:
    """Returns the refusal for a quantity that is not measured.

    Args:
        contract: What is measured.
        quantity: What it is called, in words that are known to name one; empty where it is not known to.
    """
    names = [field.name for field in contract.fields]
    plain = quantity and all(letter.isalpha() or letter == " " for letter in quantity)
    what = f"{quantity[:1].upper()}{quantity[1:]}" if plain else "That"
    return Declined(
        Decline.UNKNOWN_FIELD,
        f"{what} is not measured: the data have no such field. {_listed('Measured are', names)}".strip(),
    )


def future() -> Declined:
    """Returns the refusal for a time that has no reading yet."""
    return Declined(Decline.FUTURE, "The data hold only what was measured; they say nothing about the future.")


def off_topic() -> Declined:
    """Returns the refusal for anything that is not a question about readings."""
    return Declined(Decline.OFF_TOPIC, "Only questions about the stored readings can be answered, and this is not one.")


def no_data(contract: str = "") -> Declined:
    """Returns the refusal while there is no contract with readings, or none of the name that was asked for."""
    text = "There is no contract of that name with readings." if contract else "There is no contract with readings yet."
    return Declined(Decline.NO_DATA, text)


def nothing_stored() -> Declined:
    """Returns the answer for a query that found no value."""
    return Declined(Decline.NO_DATA, "There is no such value: nothing is stored for that field, device and time.")


def not_yet(what: str) -> Declined:
    """Returns the refusal for what a plan cannot express."""
    return Declined(Decline.NOT_UNDERSTOOD, f"That cannot be answered yet: {what} are not among what can be computed.")


def needs_field(what: str) -> Declined:
    """Returns the refusal for a question that names no field."""
    return Declined(Decline.NOT_UNDERSTOOD, f"{what}; please name it.")


def two_things() -> Declined:
    """Returns the refusal for several questions in one."""
    return Declined(Decline.NOT_UNDERSTOOD, "That asks for several things at once; please ask for one at a time.")


def unclear(why: str = "") -> Declined:
    """Returns the refusal for a question that was not understood, with what stood in the way."""
    text = "The question was not understood well enough to compute an answer."
    return Declined(Decline.NOT_UNDERSTOOD, f"{text} {why}".strip())


def ask_back(question: str) -> Declined:
    """Returns a question back to the asker, who alone knows what was meant."""
    return Declined(Decline.AMBIGUOUS, question)


def several_fit(names: Iterable[str]) -> Declined:
    """Returns the question back to the asker: these names fit several fields or devices."""
    shown = [f'"{name}"' for name in names if not any(letter.isdigit() for letter in name)]
    which = f" {', '.join(shown)}" if shown else " in the question"
    return Declined(
        Decline.AMBIGUOUS, f"A name{which} fits several fields or devices; please write the one that is meant."
    )


def which_of(*meanings: str) -> Declined:
    """Returns the question back to the asker: what was asked has several meanings.

    Args:
        meanings: Two or more, without digits.
    """
    head, last = ", ".join(meanings[:-1]), meanings[-1]
    return Declined(Decline.AMBIGUOUS, f"That can mean several things. Do you mean {head} or {last}?")


def _listed(lead: str, names: Iterable[str]) -> str:
    # Names with digits stay out: a refusal shows no digit.
    shown = [name for name in names if not any(letter.isdigit() for letter in name)]
    if not shown:
        return ""
    more = " and others" if len(shown) > _MOST_NAMES or len(shown) < len(list(names)) else ""
    return f"{lead} {', '.join(shown[:_MOST_NAMES])}{more}."


class Refusal(Exception):  # noqa: N818 - an outcome of reading a question, not an error
    """Ends the reading of a question.

    Attributes:
        declined: What the asker is told.
    """

    def __init__(self, declined: Declined) -> None:
        super().__init__(declined.text)
        self.declined = declined
