"""What the pages of docs/plugins say about contracts and suites: `python -m tq.testing.docs docs/plugins`.

The rules come from the texts of `tq.contracts`, what is tested and why from the suites. The tables of `tq.plugins.docs`
are written as well.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from tq.contracts import broker, results, schedules
from tq.plugins.docs import filled, table, tables
from tq.plugins.scaffold import project
from tq.testing import (
    BrokerConformance,
    HooksConformance,
    PoolConformance,
    ResultBackendConformance,
    ScheduleStoreConformance,
    SerializerConformance,
)
from tq.testing.rules import area_of, rules_of

_RULE = re.compile(r"^(?=\d+\. )", re.MULTILINE)
_BROKEN = (
    *("publish_reports_a_bad_message_and_sends_its_neighbours", "publish_takes_any_queue_name"),
    *("publish_to_a_dead_server_raises_within_its_timeout", "receive_does_not_wait_for_a_second_message"),
    *("receive_hands_out_undecodable_bytes_between_good_messages", "settling_twice_has_no_second_effect"),
    *("settling_twice_publishes_once", "requeue_is_not_charged_as_an_attempt"),
    *("a_living_consumer_keeps_its_messages_for_many_leases", "a_late_settlement_publishes_nothing"),
    *("a_fenced_consumer_cannot_receive", "the_first_of_a_batch_is_charged_although_no_heartbeat_came"),
    *("a_delayed_message_comes_once", "interrupt_just_before_receive_ends_it_at_once"),
    "a_fork_leaves_the_parents_connection_usable",
)
_BROKEN_RESULTS = (
    *("success_is_final_while_others_store", "wait_is_woken_by_its_own_instance"),
    *("a_member_that_ends_twice_counts_once_and_its_first_end_stands",),
    *("the_claim_stays_with_the_member_that_has_it", "of_members_that_end_together_one_claims"),
)


def texts() -> Mapping[str, str]:
    """What belongs between the marks of the pages, by name."""
    return {
        **tables(),
        "broker_rules": _contract(broker),
        "result_rules": _contract(results),
        "schedule_rules": _contract(schedules),
        "broker_suite": _areas(BrokerConformance),
        "result_suite": _areas(ResultBackendConformance),
        "pool_suite": _sentences(PoolConformance),
        "serializer_suite": _sentences(SerializerConformance),
        "hooks_suite": _sentences(HooksConformance),
        "schedule_suite": _sentences(ScheduleStoreConformance),
        "broken_by_brokers": _reasons(BrokerConformance, _BROKEN),
        "broken_by_backends": _reasons(ResultBackendConformance, _BROKEN_RESULTS),
        "mini": _file("broker", "tq_mini/broker.py"),
        "mini_tests": _file("broker", "tests/test_conformance.py"),
        "packed": _file("serializer", "tq_packed/serializer.py"),
    }


def _contract(module: ModuleType) -> str:
    """The numbered rules of a contract's text."""
    _, *rules = _RULE.split(inspect.getdoc(module) or "")
    return "".join(f"{_rule(text)}\n" for text in rules)


def _rule(text: str) -> str:
    # What follows an empty line is no part of the rule: a heading of the next ones, or the end.
    rule, _, reason = text.partition("\n\n")[0].partition("Why: ")
    said = " ".join(rule.split())
    return f"{said}<br>*Why:* {' '.join(reason.split())}" if reason else said


def _areas(suite: type) -> str:
    counts = Counter((area_of(rule.module), rule.module) for rule in rules_of(suite))
    rows = [((area, about), number) for ((area, about), _), number in counts.items()]
    return table(("rules of", "tests", "what they ask for"), [(a, str(n), about) for (a, about), n in rows])


def _sentences(suite: type) -> str:
    return "".join(f"- {rule.sentence}\n" for rule in rules_of(suite))


def _reasons(suite: type, names: tuple[str, ...]) -> str:
    found = {rule.name.removeprefix("test_"): rule for rule in rules_of(suite)}
    return table(("rule", "why"), [(found[name].sentence, found[name].reason) for name in names])


def _file(kind: str, path: str) -> str:
    """A file of a new plugin, named as the page's plugin."""
    name = path.partition("/")[0].removeprefix("tq_") if path.startswith("tq_") else "mini"
    return f"```python\n# {path}\n{project(kind, name).contents()[path]}```\n"


def write(folder: Path) -> None:
    """Fill every page of a folder."""
    found = texts()
    for page in sorted(folder.glob("*.md")):
        page.write_text(filled(page.read_text("utf-8"), found), "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
