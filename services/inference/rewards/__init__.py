"""Models with a classification head that grade solutions, whole or step by step."""
