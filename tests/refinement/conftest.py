"""Real parts for the search: the sandboxed verifier, the combined locator, a student fitted on real text."""

import json
from pathlib import Path

import pytest

from services.oracle.locators.combine import CombinedLocator
from services.oracle.rewriters.arithmetic import Arithmetic
from services.oracle.rewriters.operation import Operation
from services.oracle.rewriters.reference_graft import ReferenceGraft
from services.oracle.verifier.verifier import SandboxedVerifier
from services.pipeline.refinement.selection import Student
from services.student.profile import fit_student
from shared.shapes import to_trajectory

DEMO = Path(__file__).parents[2] / "data" / "demo"


@pytest.fixture(scope="session")
def verifier():
    with SandboxedVerifier() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def locator():
    return CombinedLocator()


@pytest.fixture(scope="session")
def tiers():
    return [[Arithmetic(), Operation()], [ReferenceGraft()]]


@pytest.fixture(scope="session")
def gpt3():
    """Real solutions of GPT-3 6B, right and wrong."""
    lines = (DEMO / "gpt3_6b.jsonl").read_bytes().splitlines()
    return [to_trajectory(json.loads(line), number) for number, line in enumerate(lines, 1)]


@pytest.fixture(scope="session")
def student(gpt3):
    fitted = fit_student("gpt3-6b", [(t.problem.text, t.text) for t in gpt3])
    return Student(fitted.profile, fitted.scorer, fitted.gate)
