"""The table about itself: it leaves nothing out unsaid, and uses nothing that its README does not explain."""

import json
import re
from pathlib import Path

from reflexio.v1 import error_reason_pb2

from tests.conformance.running import TABLE, cases
from tests.rpc.wire import METHODS

_README = (Path(__file__).parent / "README.md").read_text()
_STEPS = [step for case in cases() for step in case["steps"]]


def test_every_reason_is_in_a_case_or_it_is_said_why_not():
    known = set(error_reason_pb2.ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}
    in_cases = set(re.findall(r"ERROR_REASON_[A-Z_]+", json.dumps(cases())))
    not_here = json.loads(TABLE.read_text(encoding="utf-8"))["not_here"]
    assert in_cases | not_here.keys() == known
    assert in_cases & not_here.keys() == set()


def test_cases_have_names_of_their_own_and_say_what_they_are_about():
    names = [case["name"] for case in cases()]
    assert len(set(names)) == len(names)
    assert all(case.keys() == {"name", "about", "steps"} and case["about"].endswith(".") for case in cases())


def test_steps_use_what_the_readme_explains():
    explained = set(re.findall(r"`(\w+)`", _README))
    used = {key for step in _STEPS for key in step} | {step["do"] for step in _STEPS}
    assert used <= explained


def test_steps_name_methods_that_exist_and_call_them_as_what_they_are():
    for step in _STEPS:
        if step["do"] != "restart":
            service, name = step["rpc"].split("/")
            method = METHODS[name]
            assert method.containing_service.full_name == f"reflexio.v1.{service}"
            kind = {"receive": (False, True), "exchange": (True, True)}.get(step["do"], (False, False))
            assert (method.client_streaming, method.server_streaming) == kind, step
