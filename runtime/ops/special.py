"""Special functions of several arguments that XLA provides."""
from __future__ import annotations

from runtime.op import op
from runtime.ops.kernel import elementwise

_polygamma = elementwise("polygamma", "chlo.polygamma", "biuf", "inexact")
_zeta = elementwise("zeta", "chlo.zeta", "biuf", "inexact")


@op(partials={"x": "lax.polygamma(m + 1, x)"})
def polygamma(m, x):
    """Return the m-th derivative of digamma at x, elementwise."""
    return _polygamma(m * 1.0, x)


@op(partials={"q": "-x * lax.zeta(x + 1, q)"})
def zeta(x, q):
    """Return Hurwitz's zeta function, the sum of (n + q)**-x over n from 0, elementwise; differentiable in q."""
    return _zeta(x, q)
