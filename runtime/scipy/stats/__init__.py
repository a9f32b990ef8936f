"""Distributions under SciPy's names."""
from runtime.scipy.stats import norm
