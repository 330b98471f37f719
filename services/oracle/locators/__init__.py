"""Which step is the first wrong one: by rule, by a critic's votes, by a reward model, or by all of them."""

from services.oracle.locators.answer import AnswerLocator
from services.oracle.locators.arithmetic import ArithmeticLocator
from services.oracle.locators.combine import CombinedLocator
from services.oracle.locators.critic import CriticLocator
from services.oracle.locators.prm import PrmLocator
from services.oracle.locators.reference import ReferenceLocator
from services.oracle.locators.weighted import WeightedLocator

__all__ = [
    "AnswerLocator",
    "ArithmeticLocator",
    "CombinedLocator",
    "CriticLocator",
    "PrmLocator",
    "ReferenceLocator",
    "WeightedLocator",
]
