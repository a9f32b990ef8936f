"""Clustering under SciPy's names."""
from runtime.scipy.cluster import vq
