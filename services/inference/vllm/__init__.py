"""The vLLM engine, in process: continuous batches, a cache of prefixes, adapters while it runs."""
