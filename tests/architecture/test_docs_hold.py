"""What the pages tell a reader to run or open is there, and figures that were measured can be measured again."""

import re
from pathlib import Path

import click
import pytest
from flask.cli import routes_command

from benchmarks import __main__ as bench
from tests.api import Api

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text()

SPAN = re.compile(r"```\w*\n(.*?)```|`([^`\n]+)`|^ {4}(\S[^\n]*)$", re.DOTALL | re.MULTILINE)
BENCHMARK = re.compile(r"(?:make bench |^)ARGS=(?:\"([^\"]+)\"|(\w+))")
TARGET = re.compile(r"^make ([a-z][a-z-]*)")
COMMAND = re.compile(r"^(?:\.venv/bin/)?flask ((?:[a-z][a-z|-]*)(?: [a-z][a-z|-]*)*)")
PROOF = re.compile(r"^((?:CARBOY_TEST_\w+=\S+ )*)python -m (tests\.[\w.]+)(?: (?:embedded|services))?(?: -- (\S+))?")
PLACE = re.compile(r"^(?:app|benchmarks|deploy|docs|migrations|tests)/[\w./-]+")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")

MEASURED = re.compile(r"µs|requests/s|\d\.\d+ (?:s|MB|MiB)\b")
"""What no setting and no limit here is written with."""

AGAIN = ("make bench", "python -m tests.worlds")


def lines(page: Path) -> list[str]:
    """Return what a page sets as code, line by line, each without what surrounds it."""
    spans = ["".join(groups) for groups in SPAN.findall(page.read_text())]
    return [line.strip() for span in spans for line in span.splitlines()]


def found(page: Path, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    return [match for line in lines(page) if (match := pattern.search(line))]


def benchmark_of(words: list[str]) -> list[str]:
    """Have the benchmark that is meant read its arguments; raises SystemExit if it does not know them."""
    ours = words[:1] if words[0] in bench.OTHERS else []
    parser = bench.OTHERS[words[0]].parser() if ours else bench.parser()
    parser.parse_args(words[len(ours) :])
    return words


def is_command(group: click.Command | None, words: list[str]) -> bool:
    """Tell whether words lead to a command; each may be several, between which ``|`` stands."""
    if not words or not isinstance(group, click.Group):
        return group is not None
    context = click.Context(group)
    return all(is_command(group.get_command(context, word), words[1:]) for word in words[0].split("|"))


def every(pattern: re.Pattern[str]) -> list[re.Match[str]]:
    return [match for page in PAGES for match in found(page, pattern)]


def test_a_benchmark_that_a_page_names_takes_these_arguments() -> None:
    named = [benchmark_of((quoted or plain).split()) for quoted, plain in (m.groups() for m in every(BENCHMARK))]

    assert {words[0] for words in named} >= set(bench.OTHERS)


@pytest.mark.parametrize("name", [name for name, module in bench.OTHERS.items() if hasattr(module, "HEADINGS")])
def test_a_table_that_a_benchmark_prints_looks_the_same_on_its_page(name: str) -> None:
    headings = bench.OTHERS[name].HEADINGS

    assert [
        line for page, printed in headings.items() for line in printed if line not in (ROOT / page).read_text()
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_measured_figure_stands_beside_the_command_that_prints_it(page: Path) -> None:
    sections = re.split(r"^(?=## )", page.read_text(), flags=re.MULTILINE)
    unproven = [
        part.splitlines()[0] for part in sections if MEASURED.search(part) and not any(a in part for a in AGAIN)
    ]

    assert unproven == []


def test_a_proof_that_a_page_names_is_there_and_reads_its_size() -> None:
    missing = [
        match[0]
        for match in every(PROOF)
        for place in [match[3] or match[2].replace(".", "/") + ".py"]
        for settings in [re.findall(r"CARBOY_TEST_\w+", match[1])]
        if not (ROOT / place).exists() or [one for one in settings if one not in (ROOT / place).read_text()]
    ]

    assert missing == []
    assert len(every(PROOF)) > 5


def test_a_command_that_a_page_names_is_one(api: Api) -> None:
    flask = click.Group(commands={**api.app.cli.commands, "routes": routes_command})
    named = [match[1].split() for match in every(COMMAND)]

    assert [words for words in named if not is_command(flask, words)] == []
    assert len(named) > 50


def test_a_target_of_make_that_a_page_names_is_one() -> None:
    named = {match[1] for match in every(TARGET)}

    assert [target for target in named if f"\n{target}:" not in MAKEFILE] == []


def test_a_file_that_a_page_names_is_there() -> None:
    assert sorted({match[0] for match in every(PLACE) if not (ROOT / match[0]).exists()}) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_to_a_file(page: Path) -> None:
    assert [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []
