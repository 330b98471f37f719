"""What a worker does with a job: prepare it, work its shards, answer who waits."""
