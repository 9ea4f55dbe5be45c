"""The dashboards show what the service exposes, fit the grid and the provisioning, and say what they show."""

from itertools import combinations
from typing import Any

import pytest

from tests.architecture import exposed, recorded, source
from tests.deploy import dashboards, promql, rules
from tests.world import World

COLUMNS = 24
UNITS = {"bytes", "none", "short", "percentunit", "s", "ops", "reqps"}
SCRAPED = {"job", "instance"}
OF_PROMETHEUS = {
    "up": SCRAPED,
    "scrape_duration_seconds": SCRAPED,
    "ALERTS": {"job", "alertname", "alertstate", "severity"},
}
NOT_SHOWN_HERE = {"5..", "401", "403", "429", ".*", "firing"}
"""Values that occur, but not in the little that the tests serve."""

each_dashboard = pytest.mark.parametrize("name", dashboards.IDS)


def labels_of_recorded() -> dict[str, set[str]]:
    """Return the labels that each recorded metric keeps: those it is summed by, or all that a scrape gives."""
    by = {rule["record"]: promql.named(rule["expr"]).grouping for rule in rules.rules() if "record" in rule}
    return {name: set(kept) or SCRAPED for name, kept in by.items()}


@pytest.fixture
def samples(world: World) -> dict[str, exposed.Exposed]:
    return {sample: metric for metric in exposed.read(world).values() for sample in metric.samples}


@pytest.fixture
def labels(samples: dict[str, exposed.Exposed]) -> dict[str, set[str]]:
    """Every metric that there is, with its labels as Prometheus stores them."""
    scraped = {name: SCRAPED | set(metric.labels) for name, metric in samples.items()}
    return scraped | labels_of_recorded() | OF_PROMETHEUS


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (beside or above)


class TestQueries:
    def test_name_only_metrics_that_there_are(self, labels: dict[str, set[str]]) -> None:
        found = [(query.place, promql.named(query.expression).metrics) for query in dashboards.queries()]

        assert [(place, metrics - set(labels)) for place, metrics in found if metrics - set(labels)] == []
        assert [place for place, metrics in found if not metrics] == []

    def test_choose_only_by_labels_that_their_metrics_have(self, labels: dict[str, set[str]]) -> None:
        chosen = [
            (query.place, metric, label)
            for query in dashboards.queries()
            for metric, label, _ in promql.named(query.expression).values
        ]

        assert [found for found in chosen if found[2] not in labels.get(found[1], set())] == []
        assert {query.place for query in dashboards.of_panels()} - {
            place for place, _, label in chosen if label == "job"
        } == set()

    def test_group_only_by_labels_that_all_their_metrics_have(self, labels: dict[str, set[str]]) -> None:
        unknown = [
            (query.place, metric, label)
            for query in dashboards.queries()
            for metric in promql.named(query.expression).metrics
            for label in promql.named(query.expression).grouping - labels.get(metric, set())
        ]

        assert unknown == []

    def test_show_only_labels_that_are_left(self, labels: dict[str, set[str]]) -> None:
        unknown = [
            (query.place, label)
            for query in dashboards.queries()
            for named in [promql.named(query.expression)]
            for metric in named.metrics
            for label in query.shown - (named.grouping or labels.get(metric, set()))
        ]

        assert unknown == []

    def test_ask_only_for_values_that_occur(self, samples: dict[str, exposed.Exposed]) -> None:
        events = set(recorded.events())
        asked = {given for query in dashboards.queries() for given in promql.named(query.expression).values}
        known = {
            (metric, label, value)
            for metric, label, value in asked
            if label in SCRAPED
            or value in NOT_SHOWN_HERE
            or value in (events if label == "event" else samples[metric].labels[label])
        }

        assert asked - known == set()

    def test_show_every_metric_that_is_exposed(self, world: World) -> None:
        read = set(exposed.read(world))
        shown = {metric for query in dashboards.of_panels() for metric in promql.named(query.expression).metrics}
        shown |= {metric.removesuffix("_bucket") for metric in shown}

        assert read - shown == set()


class TestPanels:
    def test_have_each_a_title_a_description_and_a_unit(self) -> None:
        lacking = [
            place
            for place, panel in dashboards.panels()
            if not panel["title"]
            or not panel["description"].endswith(".")
            or panel["fieldConfig"]["defaults"]["unit"] not in UNITS
        ]

        assert lacking == []
        assert len(dashboards.panels()) > 40

    def test_have_each_a_query_and_a_name_for_every_line(self) -> None:
        lines = {place: [target["refId"] for target in panel["targets"]] for place, panel in dashboards.panels()}

        assert [place for place, ids in lines.items() if not ids or len(set(ids)) != len(ids)] == []
        assert [
            place for place, panel in dashboards.panels() for target in panel["targets"] if not target["legendFormat"]
        ] == []

    @each_dashboard
    def test_have_ids_and_titles_of_their_own(self, name: str) -> None:
        panels = dashboards.load(name)["panels"]

        assert len({panel["id"] for panel in panels}) == len(panels)
        assert len({panel["title"] for panel in panels}) == len(panels)

    @each_dashboard
    def test_fit_the_grid_and_cover_no_other(self, name: str) -> None:
        places = [panel["gridPos"] for panel in dashboards.load(name)["panels"]]

        assert [place for place in places if place["x"] < 0 or place["x"] + place["w"] > COLUMNS] == []
        assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []


class TestProvisioning:
    @pytest.fixture
    def datasource(self) -> dict[str, Any]:
        (found,) = rules.load(dashboards.FOLDER / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
        return dict(found)

    def test_there_are_four_dashboards_with_names_of_their_own(self) -> None:
        boards = dashboards.every()

        assert set(boards) == {"application", "infrastructure", "business", "security"}
        assert {name: board["uid"] for name, board in boards.items()} == {name: f"carboy-{name}" for name in boards}
        assert len({board["title"] for board in boards.values()}) == len(boards)

    @each_dashboard
    def test_everything_asks_the_datasource_that_is_provided(self, name: str, datasource: dict[str, Any]) -> None:
        board = dashboards.load(name)
        queries = [query for panel in board["panels"] for query in panel["targets"]]
        asking = [*board["panels"], *queries, *board["annotations"]["list"], *board["templating"]["list"]]

        assert [part for part in asking if "datasource" not in part] == []
        assert {tuple(found.items()) for found in dashboards.sources(board)} == {
            (("type", datasource["type"]), ("uid", datasource["uid"]))
        }

    def test_the_datasource_knows_how_often_prometheus_scrapes(self, datasource: dict[str, Any]) -> None:
        scraped = rules.load(rules.FOLDER / "prometheus.yml")["global"]["scrape_interval"]

        assert datasource["jsonData"]["timeInterval"] == scraped

    def test_the_page_says_what_to_mount_where(self) -> None:
        (provider,) = rules.load(dashboards.FOLDER / "provisioning" / "dashboards" / "carboy.yml")["providers"]
        page = (source.ROOT / "docs" / "monitoring.md").read_text()

        assert provider["type"] == "file"
        assert f"`{provider['options']['path']}`" in page
        assert [name for name in dashboards.IDS if f"| {name} |" not in page] == []
