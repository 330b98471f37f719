"""The nouns of the project: frozen, picklable, free of any library."""

from shared.domain.judgement import Correctness, Diagnosis, Finding, StepVerdict, Verdict
from shared.domain.model import EngineFigures, Label, Message, ModelInfo, Prompt, Sample, Sampling
from shared.domain.refinement import Candidate, Edit, Outcome, Refinement, Tried, Utility
from shared.domain.style import (
    GateVerdict,
    NativeBand,
    ScorerInfo,
    StepStyle,
    StudentProfile,
    StyleLedger,
    TokenScores,
)
from shared.domain.trajectory import Problem, Span, Step, Trajectory

__all__ = [
    "Candidate",
    "Correctness",
    "Diagnosis",
    "Edit",
    "EngineFigures",
    "Finding",
    "GateVerdict",
    "Label",
    "Message",
    "ModelInfo",
    "NativeBand",
    "Outcome",
    "Problem",
    "Prompt",
    "Refinement",
    "Sample",
    "Sampling",
    "ScorerInfo",
    "Span",
    "Step",
    "StepStyle",
    "StepVerdict",
    "StudentProfile",
    "StyleLedger",
    "TokenScores",
    "Trajectory",
    "Tried",
    "Utility",
    "Verdict",
]
