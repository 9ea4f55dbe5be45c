"""Reads from an expression of PromQL which metrics and labels it names: enough of the language for our own rules."""

import re
from dataclasses import dataclass

_STRING = re.compile(r'"([^"]*)"')
_SELECTOR = re.compile(r"([a-zA-Z_][\w:]*)\s*\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_DURATION = re.compile(r"\[[\w:]+\]|\boffset\s+\w+")
_WORD = re.compile(r"(?<![\w.:])[a-zA-Z_][\w:]*(?!\s*\()\b(?!\s*\()")
_KEYWORDS = {"and", "or", "unless", "bool"}


@dataclass(frozen=True, slots=True)
class Named:
    """What an expression names: metrics, labels to group by, and values by metric and label."""

    metrics: frozenset[str]
    grouping: frozenset[str]
    values: frozenset[tuple[str, str, str]]


def named(expression: str) -> Named:
    values = {
        (metric, label, value)
        for metric, matchers in _SELECTOR.findall(expression)
        for label, operator, given in _MATCHER.findall(matchers)
        for value in (given.split("|") if "~" in operator else [given])
    }
    grouping = {label.strip() for labels in _GROUPING.findall(expression) for label in labels.split(",")}
    bare = _SELECTOR.sub(r"\1", expression)
    for noise in (_GROUPING, _DURATION, _STRING):
        bare = noise.sub(" ", bare)
    return Named(frozenset(set(_WORD.findall(bare)) - _KEYWORDS), frozenset(grouping), frozenset(values))
