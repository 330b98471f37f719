"""Final answers against gold, in processes that can be killed: correct, incorrect, or undecided and why.

Light to import; sympy and math-verify are loaded by the worker processes only.
"""

from services.oracle.verifier.limits import Limits
from services.oracle.verifier.question import Question
from services.oracle.verifier.verifier import SandboxedVerifier

__all__ = ["Limits", "Question", "SandboxedVerifier"]
