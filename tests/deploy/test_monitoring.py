"""The files of deploy/monitoring fit what the service exposes, each other, and the programs that read them."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.architecture import exposed, recorded, source
from tests.deploy import promql, rules
from tests.world import SERVICES, World

RUNBOOKS = source.ROOT / "docs" / "runbooks"
SEVERITIES = {"critical", "warning"}

OF_PROMETHEUS = {"up"}
OF_SCRAPES = {"job", "instance"}
NOT_SHOWN_HERE = {"status": {"5..", "dead"}}
"""Values that a healthy service shows too rarely to wait for: patterns of failures."""

TESTS = sorted((rules.FOLDER / "tests").glob("*.yml"))

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool (package prometheus) is missing")
once = pytest.mark.skipif(not SERVICES, reason="files that no world changes are tried once, with the real servers")
needs_amtool = pytest.mark.skipif(not shutil.which("amtool"), reason="amtool (prometheus-alertmanager) is missing")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=rules.FOLDER, capture_output=True, text=True, timeout=60, check=False)


@cache
def expressions() -> dict[str, promql.Named]:
    return {rule.get("alert") or rule["record"]: promql.named(rule["expr"]) for rule in rules.rules()}


@pytest.fixture
def samples(world: World) -> dict[str, exposed.Exposed]:
    """Every sample that the service exposes, with the metric it is of."""
    return {sample: metric for metric in exposed.read(world).values() for sample in metric.samples}


class TestExpressions:
    def test_name_only_metrics_that_are_exposed_or_recorded(self, samples: dict[str, exposed.Exposed]) -> None:
        known = set(samples) | rules.recorded() | OF_PROMETHEUS

        assert {rule: found.metrics - known for rule, found in expressions().items() if found.metrics - known} == {}
        assert all(found.metrics for found in expressions().values())

    def test_name_only_labels_that_their_metrics_have(self, samples: dict[str, exposed.Exposed]) -> None:
        unknown = [
            (rule, metric, label)
            for rule, found in expressions().items()
            for metric, label, _ in found.values
            if label not in OF_SCRAPES and label not in getattr(samples.get(metric), "labels", {})
        ]

        assert unknown == []

    def test_group_only_by_what_every_scrape_has(self) -> None:
        assert {label for found in expressions().values() for label in found.grouping} <= OF_SCRAPES

    def test_ask_only_for_values_that_occur(self, samples: dict[str, exposed.Exposed]) -> None:
        events = recorded.events()
        unknown = [
            (rule, metric, label, value)
            for rule, found in expressions().items()
            for metric, label, value in found.values
            if label not in {*OF_SCRAPES, "event"}
            and value not in samples[metric].labels[label] | NOT_SHOWN_HERE.get(label, set())
        ]
        asked = {value for found in expressions().values() for _, label, value in found.values if label == "event"}

        assert unknown == []
        assert asked - set(events) == set()
        assert asked

    def test_use_everything_that_is_recorded(self) -> None:
        used = {metric for found in expressions().values() for metric in found.metrics}

        assert rules.recorded() - used == set()

    def test_scrape_under_the_name_that_the_rules_use(self) -> None:
        jobs = {scrape["job_name"] for scrape in rules.load(rules.FOLDER / "prometheus.yml")["scrape_configs"]}
        asked = {value for found in expressions().values() for _, label, value in found.values if label == "job"}

        assert asked == jobs


class TestAlerts:
    def test_say_how_bad_they_are_and_what_it_means(self) -> None:
        lacking = {
            name: alert
            for name, alert in rules.alerts().items()
            if alert["labels"]["severity"] not in SEVERITIES
            or {"summary", "description", "runbook"} - set(alert["annotations"])
        }

        assert lacking == {}

    def test_have_each_a_runbook_and_each_runbook_an_alert(self) -> None:
        named = {name: alert["annotations"]["runbook"] for name, alert in rules.alerts().items()}

        assert named == {name: f"docs/runbooks/{name}.md" for name in named}
        assert {path.stem for path in RUNBOOKS.iterdir()} == set(named)

    def test_have_each_a_test_and_each_test_an_alert(self) -> None:
        assert {path.stem for path in TESTS} == set(rules.alerts())

    @pytest.mark.parametrize("alert", sorted(rules.alerts()))
    def test_are_tried_to_fire_to_clear_and_to_stay_silent(self, alert: str) -> None:
        tried = rules.tried(alert)

        assert tried.fires_and_clears
        assert tried.stays_silent

    def test_stand_each_in_the_table_of_the_page(self) -> None:
        page = (source.ROOT / "docs" / "monitoring.md").read_text()
        rows = {
            f"| [{name}](runbooks/{name}.md) | {alert['labels']['severity']} |"
            for name, alert in rules.alerts().items()
        }

        assert {row for row in rows if row not in page} == set()
        assert page.count("](runbooks/") == len(rows)


class TestPrograms:
    @needs_promtool
    def test_promtool_reads_the_configuration_and_its_rules(self) -> None:
        answer = run("promtool", "check", "config", "prometheus.yml")

        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert "2 rule files found" in answer.stdout

    @needs_promtool
    def test_promtool_finds_no_fault_in_the_rules(self) -> None:
        answer = run("promtool", "check", "rules", "rules/recording.yml", "rules/alerts.yml")

        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert f"{len(rules.alerts())} rules found" in answer.stdout

    @once
    @needs_promtool
    @pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
    def test_the_alert_fires_clears_and_does_not_flap(self, path: Path) -> None:
        answer = run("promtool", "test", "rules", f"tests/{path.name}")

        assert answer.returncode == 0, answer.stdout + answer.stderr

    @needs_amtool
    def test_amtool_reads_the_configuration(self) -> None:
        answer = run("amtool", "check-config", "alertmanager.yml")

        assert answer.returncode == 0, answer.stdout + answer.stderr

    @needs_amtool
    @pytest.mark.parametrize(("severity", "receivers"), [("critical", "pager,chat"), ("warning", "chat")])
    def test_whom_an_alert_reaches_follows_from_its_severity(self, severity: str, receivers: str) -> None:
        answer = run("amtool", "config", "routes", "test", "--config.file=alertmanager.yml", f"severity={severity}")

        assert answer.stdout.strip() == receivers
