"""A student so small that a laptop trains it again and again, with its problems and a simulated oracle."""
