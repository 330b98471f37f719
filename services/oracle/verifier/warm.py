"""Loads sympy and math-verify and runs each of their paths once; importing it is all there is to do.

The fork server imports it once, so that every worker starts warm.
"""

import logging

from services.oracle.verifier.equality import judge
from services.oracle.verifier.question import Question

# math-verify warns that its own timeout is off; the worker's stands in for it.
logging.getLogger("math_verify").setLevel(logging.ERROR)

for gold, answer in (
    (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}"),
    ("x^2 + 2x + 1", "(x+1)^2"),
    (r"(1, 2] \cup [3, \infty)", r"x \in (1, 2]"),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 3 \end{pmatrix}"),
    ("x = 3", "x < 4"),
):
    judge(Question(gold, answer))
