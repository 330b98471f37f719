"""Any OpenAI-compatible endpoint behind the port of language models, with its limits, price and faults."""
