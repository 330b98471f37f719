"""The nouns of the project: frozen, picklable, free of any library."""

from shared.domain.evaluation import EvaluationProblem, EvaluationSettings, Graded, GradedSample
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
from shared.domain.training import (
    Lora,
    Loss,
    TrainedModel,
    TrainingOrder,
    TrainingProgress,
    TrainingRow,
    TrainingSettings,
)
from shared.domain.trajectory import Problem, Span, Step, Trajectory

__all__ = [
    "Candidate",
    "Correctness",
    "Diagnosis",
    "Edit",
    "EngineFigures",
    "EvaluationProblem",
    "EvaluationSettings",
    "Finding",
    "GateVerdict",
    "Graded",
    "GradedSample",
    "Label",
    "Lora",
    "Loss",
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
    "TrainedModel",
    "TrainingOrder",
    "TrainingProgress",
    "TrainingRow",
    "TrainingSettings",
    "Trajectory",
    "Tried",
    "Utility",
    "Verdict",
]
