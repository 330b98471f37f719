"""Every maker by its name in the config."""

from __future__ import annotations

from collections.abc import Callable

from services.pipeline.study.makers import guided, oracle, own, searched
from services.pipeline.study.makers.base import Batch, Made

MAKE: dict[str, Callable[[Batch], Made]] = {
    "native": own.native,
    "reference": own.reference,
    "oracle_refined": oracle.oracle_refined,
    "oracle_synthesized": oracle.oracle_synthesized,
    "style_aligned": oracle.style_aligned,
    "style_aligned_pipeline": searched.style_aligned_pipeline,
    "respelled": oracle.respelled,
    "unfiltered": own.unfiltered,
    "native_plus_repaired": oracle.native_plus_repaired,
    "guided": guided.guided,
    "given": own.given,
}
