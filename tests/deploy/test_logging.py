"""deploy/logging: what Fluent Bit and Elasticsearch are told of our lines is what our lines are."""

import json
import logging
import re
import warnings
from datetime import datetime
from ipaddress import ip_address
from typing import Any

import pytest

from app.core import origin
from app.infra import logs, queue
from tests.api import Api, a_user
from tests.architecture import source
from tests.world import World

FOLDER = source.ROOT / "deploy" / "logging"
OF_THE_SHIPPER = {"@timestamp", "host", "log"}
"""Fields that Fluent Bit adds; ``log`` to a line that is no JSON."""

Sections = list[tuple[str, dict[str, str]]]

KNOWN = {
    "SERVICE": "flush parsers_file storage.path storage.backlog.mem_limit",
    "INPUT tail": "name tag path parser db read_from_head buffer_max_size skip_long_lines storage.type",
    "FILTER record_modifier": "name match record",
    "OUTPUT es": "name match host port http_user http_passwd tls tls.verify logstash_format logstash_prefix"
    " logstash_dateformat time_key suppress_type_name trace_error retry_limit storage.total_limit_size",
    "PARSER": "name format time_key time_format time_keep",
}
"""What Fluent Bit documents of the sections that are used here."""


def read(name: str) -> Sections:
    """Parse the classic format: sections in brackets, indented keys in any case, values to the end of the line."""
    sections: Sections = []
    for line in (FOLDER / name).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        head = re.fullmatch(r"\[([A-Z]+)\]", line)
        if head:
            sections.append((head[1], {}))
            continue
        entry = re.fullmatch(r" {4}(\S+) +(\S.*)", line)
        assert entry, f"{name}: {line!r} is neither a section nor an indented key with a value"
        key = entry[1].lower()
        assert key not in sections[-1][1], f"{name}: {key} twice"
        sections[-1][1][key] = entry[2]
    return sections


def the(kind: str, sections: Sections) -> dict[str, str]:
    (found,) = [keys for name, keys in sections if name == kind]
    return found


def mapping() -> dict[str, Any]:
    template = json.loads((FOLDER / "index-template.json").read_text())
    return dict(template["template"]["mappings"]["properties"])


@pytest.fixture
def every_kind_of_line(world: World, api: Api, lines: list[bytes]) -> list[dict[str, Any]]:
    """Lines as they are written: of requests, failures, jobs, commands, libraries and warnings."""
    logs.connect(world.settings)
    person = a_user()
    token = origin.begin(None)
    api.as_(person).get("/auth/me", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    api.get("/nowhere")
    world.app.test_cli_runner().invoke(args=["mail", "list"])
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.getLogger("py.warnings").warning("soon gone")
    queue.perform("no such task", {"request_id": "request-of-ada", "trace_id": "a" * 32, "user_id": 7})
    origin.end(token)
    return [json.loads(line) for line in lines]


class TestFluentBit:
    @pytest.mark.parametrize("name", ["fluent-bit.conf", "parsers.conf"])
    def test_is_told_only_what_it_knows(self, name: str) -> None:
        unknown = {
            f"{kind} {key}"
            for kind, keys in read(name)
            for key in keys
            if key not in KNOWN[kind if kind in KNOWN else f"{kind} {keys['name']}"].split()
        }

        assert unknown == set()

    def test_finds_its_parser(self) -> None:
        sections = read("fluent-bit.conf")
        file = the("SERVICE", sections)["parsers_file"]

        assert the("INPUT", sections)["parser"] == the("PARSER", read(file))["name"]

    def test_sends_what_it_reads(self) -> None:
        sections = read("fluent-bit.conf")
        tag = the("INPUT", sections)["tag"]

        assert {keys["match"] for kind, keys in sections if kind in {"FILTER", "OUTPUT"}} == {tag}

    def test_writes_where_the_template_holds(self) -> None:
        output = the("OUTPUT", read("fluent-bit.conf"))
        template = json.loads((FOLDER / "index-template.json").read_text())

        assert template["index_patterns"] == [f"{output['logstash_prefix']}-*"]
        assert output["time_key"] in mapping()

    def test_adds_only_fields_that_the_mapping_names(self) -> None:
        field = the("FILTER", read("fluent-bit.conf"))["record"].split()[0]

        assert field in OF_THE_SHIPPER & mapping().keys()

    def test_is_given_no_password_in_the_file(self) -> None:
        output = the("OUTPUT", read("fluent-bit.conf"))

        assert re.fullmatch(r"\$\{[A-Z_]+\}", output["http_passwd"])
        assert (output["tls"], output["tls.verify"]) == ("On", "On")

    def test_reads_our_time(self, every_kind_of_line: list[dict[str, Any]]) -> None:
        parser = the("PARSER", read("parsers.conf"))
        # Its %L is the fraction of a second, which Python calls %f.
        as_python = parser["time_format"].replace("%L", "%f")

        times = [datetime.strptime(line[parser["time_key"]], as_python) for line in every_kind_of_line]  # noqa: DTZ007 -- %z is in the file

        assert times
        assert all(time.utcoffset() is not None for time in times)
        assert parser["time_keep"] == "On"


class TestMapping:
    def test_names_every_field_of_our_lines_and_no_other(self, every_kind_of_line: list[dict[str, Any]]) -> None:
        written = {name for line in every_kind_of_line for name in line}

        assert mapping().keys() - OF_THE_SHIPPER == written

    def test_fits_the_kind_of_each_value(self, every_kind_of_line: list[dict[str, Any]]) -> None:
        fits: dict[str, Any] = {
            "date": lambda value: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value),
            "keyword": lambda value: isinstance(value, str),
            "text": lambda value: isinstance(value, str),
            "long": lambda value: type(value) is int,
            "short": lambda value: type(value) is int and value < 2**15,
            "float": lambda value: isinstance(value, float | int),
            "ip": ip_address,
            "flattened": lambda value: isinstance(value, dict),
        }
        fields = mapping()

        misfits = [
            (name, value)
            for line in every_kind_of_line
            for name, value in line.items()
            if value is not None and not fits[fields[name]["type"]](value)
        ]
        seen = {name for line in every_kind_of_line for name, value in line.items() if value is not None}

        assert misfits == []
        assert seen == fields.keys() - OF_THE_SHIPPER

    def test_grows_by_nothing_that_a_line_may_hold(self) -> None:
        template = json.loads((FOLDER / "index-template.json").read_text())

        assert template["template"]["mappings"]["dynamic"] is False
        assert mapping()["extra"]["type"] == "flattened"


class TestPage:
    def test_names_every_field(self) -> None:
        page = (source.ROOT / "docs" / "logs.md").read_text()

        assert {name for name in mapping().keys() - {"@timestamp", "host"} if f"`{name}`" not in page} == set()
