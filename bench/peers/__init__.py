"""The two programs that are compared; each runs in a Python of its own."""
