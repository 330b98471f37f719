"""The engine on transformers: a CPU or a GPU, continuous batching, prompts read once."""
