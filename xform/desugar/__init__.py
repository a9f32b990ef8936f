"""Desugar: the full language down to the core language, one concern a file."""
