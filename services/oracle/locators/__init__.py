"""Which step is the first wrong one: rules here; `critic`, `prm` and `weighted` may ask a model."""

from services.oracle.locators.answer import AnswerLocator
from services.oracle.locators.arithmetic import ArithmeticLocator
from services.oracle.locators.combine import CombinedLocator
from services.oracle.locators.reference import ReferenceLocator

__all__ = ["AnswerLocator", "ArithmeticLocator", "CombinedLocator", "ReferenceLocator"]
