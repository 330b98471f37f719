"""How good a model's answers are: figures of one model, paired comparison of two; pure Python."""
