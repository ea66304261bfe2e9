"""Says one form of words by another: patterns, tried in their order, and what each is replaced by."""

import re
from typing import TypeAlias

Rules: TypeAlias = tuple[tuple[re.Pattern[str], str], ...]
"""Compiled patterns and templates as `re.sub` takes them."""


def rules(*pairs: tuple[str, str]) -> Rules:
    """Returns rules that do not care for case; compiled once, since `re` keeps fewer patterns than a question meets.

    Args:
        pairs: A pattern and its template; a group that took no part is empty in the template.
    """
    return tuple((re.compile(pattern, re.IGNORECASE), template) for pattern, template in pairs)


def rewritten(question: str, by: Rules) -> str:
    """Returns the question with each rule applied everywhere, one after the other."""
    for pattern, template in by:
        question = pattern.sub(template, question)
    return question
