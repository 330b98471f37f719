"""``python -m services.pipeline``: one host of workers."""

from __future__ import annotations

import sys

from services.pipeline.host import Host, stopped_by_signals
from services.pipeline.settings import PipelineSettings
from shared.errors import IdiolectError
from shared.logs import log_to_stderr
from shared.rpc.settings import from_environment
from shared.trace_export import exporting


def main() -> int:
    """Work until SIGTERM; 2 where the settings or the store can't be used."""
    log_to_stderr()
    try:
        host = Host(from_environment(PipelineSettings))
        stopped_by_signals(host)
        with exporting("pipeline"):
            host.run()
    except IdiolectError as error:
        print(f"pipeline: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
