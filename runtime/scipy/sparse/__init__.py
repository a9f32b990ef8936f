"""Sparse linear algebra under SciPy's names: solvers that need only products with the matrix."""
from runtime.scipy.sparse import linalg
