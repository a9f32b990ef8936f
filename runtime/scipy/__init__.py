"""Functions under SciPy's names: linear algebra, special functions and distributions."""
from runtime.scipy import linalg, special, stats
