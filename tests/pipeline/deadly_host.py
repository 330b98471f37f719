"""A host whose workers die on a line with the marker."""

from __future__ import annotations

from services.pipeline.host import Host, stopped_by_signals
from services.pipeline.settings import PipelineSettings
from shared.logs import log_to_stderr

if __name__ == "__main__":
    log_to_stderr()
    host = Host(PipelineSettings(), "tests.pipeline.deadly_worker")
    stopped_by_signals(host)
    host.run()
