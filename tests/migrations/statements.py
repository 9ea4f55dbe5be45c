"""What SQL does that locks a table or destroys something, statement by statement.

Squawk knows the usual ones. Here it is the other way round: what is not known to be harmless needs a reason.
"""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from tests.migrations.rules import CHANGE_ROWS, CONSTRAINT, DROP_COLUMN, DROP_TABLE, NOT_NULL, STATEMENT, Finding

TIMEOUTS, TRIGGER = "timeouts", "trigger"

_TOKENS = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)
    |(?P<text>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|'(?:[^']|'')*')
    |(?P<name>"[^"]*")
    |(?P<end>;)
    |.""",
    re.DOTALL | re.VERBOSE,
)
_NAMES = r"(?:TABLE\s+)?(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?(?P<tables>[\w.]+(?:\s*,\s*[\w.]+)*)"
_OVER_ROWS = re.compile(rf"(?:UPDATE|DELETE\s+FROM|TRUNCATE|MERGE\s+INTO|INSERT\s+INTO)\s+{_NAMES}", re.IGNORECASE)
_CHANGES = re.compile(r"\b(?:UPDATE|DELETE|MERGE|TRUNCATE|FOR\s+(?:NO\s+KEY|SHARE|KEY\s+SHARE))\b", re.IGNORECASE)
_MAKES = re.compile(r"CREATE\s+TABLE\s+([\w.]+)\s*\(", re.IGNORECASE)
_DROPS_TABLE = re.compile(rf"DROP\s+TABLE\s+{_NAMES}", re.IGNORECASE)
_TRIGGERS = re.compile(
    r"(?:(?:CREATE|DROP)\s+(?:OR\s+REPLACE\s+)?(?:CONSTRAINT\s+)?TRIGGER\b.*?\sON|COMMENT\s+ON\s+TRIGGER\b.*?\sON)"
    r"\s+(?P<tables>[\w.]+)",
    re.IGNORECASE,
)
_ALTERS = re.compile(rf"ALTER\s+TABLE\s+{_NAMES}\s+(?P<how>.*)", re.IGNORECASE)
_OF_TABLES = (_OVER_ROWS, _DROPS_TABLE, _TRIGGERS, _ALTERS)
_READS = re.compile(r"(?:WITH|SELECT)\b", re.IGNORECASE)
_SETS = re.compile(r"(?:SET|RESET|DISCARD)\b|.*\bset_config\b", re.IGNORECASE)
_WAITS = re.compile(r"SET\s+lock_timeout\s*(?:=|TO)", re.IGNORECASE)
_WAITS_NO_MORE = re.compile(r"RESET\s+lock_timeout", re.IGNORECASE)
_HOLDS_NOBODY_UP = re.compile(r".*\b(?:CONCURRENTLY|VALIDATE\s+CONSTRAINT)\b", re.IGNORECASE)

_HARMLESS = re.compile(
    r"""(?:
        CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?[\w.]+\s*\(
        | (?:ANALYZE|COMMENT\s+ON|BEGIN|COMMIT)\b
        | CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|VIEW|TYPE|DOMAIN|SEQUENCE|EXTENSION|SCHEMA)\b
        | (?:CREATE\s+(?:UNIQUE\s+)?|DROP\s+|REINDEX\s+|ALTER\s+)INDEX\b  # these and the following are squawk's
        | REINDEX\b | ALTER\s+(?:TYPE|DOMAIN)\b
        | DROP\s+(?:SCHEMA|VIEW|FUNCTION|SEQUENCE|TYPE|EXTENSION|TABLE)\b
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_HARMLESS_CHANGE = re.compile(r"(?:ADD|DROP|ALTER|VALIDATE|RENAME|SET\s+SCHEMA)\b", re.IGNORECASE)
_DROPS_COLUMN = re.compile(r"DROP\s+(?!CONSTRAINT\b)", re.IGNORECASE)
_CHECKED_COLUMN = re.compile(r"ADD\s+(?:COLUMN\s+)?(?!CONSTRAINT\b|CHECK\b)\w+\s.*\bCHECK\b", re.IGNORECASE)
_SERIAL = re.compile(r"ADD\s+(?:COLUMN\s+)?(?:IF\s+NOT\s+EXISTS\s+)?\w+\s+(?:small|big)?serial\d?\b", re.IGNORECASE)


def split(sql: str) -> list[str]:
    """Return the statements, each in one line, without comments and without what stands in quotes."""
    found = [""]
    for token in _TOKENS.finditer(sql):
        if token["end"]:
            found.append("")
        else:
            found[-1] += " " if token["comment"] else "''" if token["text"] else token[0].strip('"')
    return [line for line in (" ".join(one.split()) for one in found) if line]


def of_sql(sql: str, new: set[str], made: AbstractSet[str] = frozenset()) -> Iterator[Finding]:
    """Return what is found in the SQL of a revision, leaving out the new tables, once it has made them."""
    statements = split(sql)
    for one in statements:
        if found := _MAKES.match(one):
            made = made | ({found[1].removeprefix("public.")} & new)
        for rule, text in _of_statement(one, made):
            yield Finding(rule, f"{text}: {one[:80]}")
    yield from _of_timeouts(statements)


def _of_statement(one: str, new: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    found = next((found for kind in _OF_TABLES if (found := kind.match(one))), None)
    if found and _are_new(found, new):
        return
    if found and found.re is _DROPS_TABLE:
        yield DROP_TABLE, "it is gone while the old code still reads it"
    elif found and found.re is _TRIGGERS:
        yield TRIGGER, "it changes what the old code's statements do"
    elif found and found.re is _ALTERS:
        yield from _of_change(found["how"])
    elif found or _READS.match(one):
        if _CHANGES.search(one):
            yield CHANGE_ROWS, "one statement over a whole table keeps its row locks until the end"
    elif not _HARMLESS.match(one) and not _SETS.match(one):
        yield STATEMENT, "it is not known to be harmless"


def _of_change(how: str) -> Iterator[tuple[str, str]]:
    if not _HARMLESS_CHANGE.match(how):
        yield STATEMENT, "it is not known to be harmless"
    if _DROPS_COLUMN.match(how):
        yield DROP_COLUMN, "it is gone while the old code still reads it"
    if _CHECKED_COLUMN.search(how):
        yield CONSTRAINT, "all rows are read under a lock"
    if _SERIAL.match(how):
        yield NOT_NULL, "every row is rewritten under a lock, to number it"


def _of_timeouts(statements: list[str]) -> Iterator[Finding]:
    """Return what waits for a lock longer than a migration may.

    Only what holds nobody up may, outside of a transaction, and only until the end of its block.
    """
    outside = waits = False
    for one in statements:
        if one.upper() in {"BEGIN", "COMMIT"}:
            if waits:
                yield Finding(TIMEOUTS, "what comes after the block waits without end: RESET lock_timeout is missing")
            outside, waits = one.upper() == "COMMIT", False
        elif outside and _WAITS.match(one):
            waits = True
        elif waits and _WAITS_NO_MORE.fullmatch(one):
            waits = False
        elif _SETS.match(one):
            yield Finding(TIMEOUTS, f"all who come after it would wait as long as it does: {one[:80]}")
        elif waits and not _HOLDS_NOBODY_UP.match(one):
            yield Finding(
                TIMEOUTS, f"it waits for its lock without end, and holds up all who come after it: {one[:80]}"
            )
    if waits:
        yield Finding(TIMEOUTS, "what comes after it waits without end: RESET lock_timeout is missing")


def _are_new(found: re.Match[str], new: AbstractSet[str]) -> bool:
    return {name.strip().removeprefix("public.") for name in found["tables"].split(",")} <= new
