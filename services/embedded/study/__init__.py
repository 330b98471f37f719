"""Studies in process: the real parts, worker processes, and the page of a report."""
