"""Arms of texts that are there already: the student's own, filtered or not, and the data set's."""

from __future__ import annotations

from services.pipeline.study.items import readable
from services.pipeline.study.makers.base import Batch, Made, Text, option


def native(batch: Batch) -> Made:
    """One right sample a problem: rejection sampling. White space around it is cut off, nothing else.

    Where the study takes any sample as native, right or wrong, nothing is rejected.
    """
    texts = [Text(one.sampled.problem, one.native_sample.text.strip()) for one in batch.shared]
    return Made([*texts], filtered=batch.native == "right")


def unfiltered(batch: Batch) -> Made:
    """The student's first sample (or the one that other arms edit), right or wrong: the benefit withheld."""
    first = option(batch, "take") == "first"
    samples = [one.sampled.samples[0] if first else one.source_sample for one in batch.shared]
    texts = [
        Text(one.sampled.problem, sample.text.strip()) if readable(sample.text) else None
        for one, sample in zip(batch.shared, samples, strict=True)
    ]
    return Made(texts, filtered=False)


def reference(batch: Batch) -> Made:
    """The data set's own solution."""
    problems = [one.sampled.problem for one in batch.shared]
    return Made([Text(one, one.problem.reference) if one.problem.reference else None for one in problems])


def given(batch: Batch) -> Made:
    """The texts that the file of problems holds in a field of the arm's choice."""
    texts = batch.parts.given[option(batch, "field")]
    problems = [one.sampled.problem for one in batch.shared]
    return Made([Text(one, texts[one.id]) if one.id in texts else None for one in problems])
