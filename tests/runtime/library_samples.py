"""Samples of the library beyond NumPy: expressions over sample arguments, by module.

An expression uses ``np``, ``lax``, ``scipy``, ``image``, ``ops`` and the names of ARGUMENTS. Its float arguments are
differentiated and batched, unless the expression ends in a mark: "# v" compares values alone, "# d" leaves out the derivatives,
"# b" leaves out batching. A result that is no array is compared leaf by leaf, and only by value.
"""
import numpy

_rng = numpy.random.default_rng(11)


def _f(*shape):
    return _rng.normal(size=shape).astype("float32")


def _between(low, high, *shape):
    return _rng.uniform(low, high, size=shape).astype("float32")


_square = _f(4, 4)
ARGUMENTS = {
    "s": numpy.float32(0.7), "t": numpy.float32(1.3), "x": _f(2, 3), "y": _f(2, 3), "p": _between(0.3, 3.0, 2, 3),
    "q": _between(0.3, 3.0, 2, 3), "r": _between(1.2, 4.0, 2, 3), "u": _between(0.05, 0.95, 2, 3), "w": _between(0.05, 0.95, 2, 3),
    "n": numpy.array([[3, 0, 5], [2, 7, 1]], "int32"), "k": numpy.array([[1, 0, 2], [2, 3, 1]], "int32"),
    "ids": numpy.array([0, 2, 1, 2, 0], "int32"), "v": _f(5), "g": _f(5, 2), "long": _f(12), "short": _f(4), "a": _square,
    "h": (_square @ _square.T + 4 * numpy.eye(4)).astype("float32"), "z": _f(4, 2), "row": _f(4), "img": _f(5, 6), "ker": _f(3, 2),
    "signal": _f(2, 64), "simplex": (lambda m: m / m.sum())(_between(0.2, 1.0, 4)), "four": _between(0.5, 2.0, 4),
    "where_to": _between(0.2, 4.3, 2, 7), "tri": (_square + numpy.diag([3, 1, 2, 4])).astype("float32"),
}

SPECIAL = """
lax.igamma(p, q) | lax.igammac(p, q) | lax.igamma_grad_a(p, q) # d | lax.betainc(2.0, 0.7, u)
scipy.special.gammainc(p, q) | scipy.special.gammaincc(r, q) | scipy.special.betainc(1.5, 2.5, u) | scipy.special.i0(x)
scipy.special.i0e(x) | scipy.special.i1(x) | scipy.special.i1e(x) | scipy.special.expi(x) | scipy.special.expn(3, p)
scipy.special.expn(k, p) | scipy.special.exp1(p) | scipy.special.erfcx(x) | scipy.special.zeta(r, q) | scipy.special.polygamma(2, p)
scipy.special.bernoulli(9) | scipy.special.comb(p + 3, q) | scipy.special.comb(n, k) | scipy.special.comb(5.0, q, repetition=True)
scipy.special.hyp1f1(p, q, x) | scipy.special.hyp1f1(r, p, -4 * u) | scipy.special.hyp2f1(p, q, r, u * 0.8) | scipy.special.spence(u)
scipy.special.hyp2f1(0.5, q, r, u * 0.4) | scipy.special.sici(p)[0] | scipy.special.sici(4 * r)[1] | scipy.special.fresnel(x)[0]
scipy.special.fresnel(3 * x)[1] | scipy.special.dawsn(x) | scipy.special.dawsn(9 * r) | scipy.special.boxcox(p, q)
scipy.special.boxcox1p(p, x) | scipy.special.boxcox(p, 0.0) | scipy.special.poch(p, q) | scipy.special.gammasgn(3 * x)
scipy.special.loggamma(p) | scipy.special.beta(p, q) | scipy.special.owens_t(x, y) | scipy.special.owens_t(x, 3 * r)
np.real(scipy.special.wofz(lax.complex(x, p))) | np.imag(scipy.special.wofz(lax.complex(2 * x, y))) | scipy.special.log_ndtr(9 * x)
np.real(scipy.special.sph_harm_y(n[0], np.minimum(k, n)[0], p[0], x[0], n_max=7)) # d | scipy.special.bessel_jn(r + 2, v=3, n_iter=20) | scipy.special.gamma(p)
scipy.special.factorial(n) | scipy.special.multigammaln(r, 2) | scipy.special.log_ndtr(-9 * r, series_order=5) | scipy.special.logit(u)
scipy.special.ndtri(u) | scipy.special.xlogy(p, q) | scipy.special.xlog1py(p, q) | scipy.special.entr(u) | scipy.special.kl_div(p, q)
"""
GROUPS = {"special": SPECIAL}


def samples():
    """Return (group, expression, marks) of every sample."""
    found = []
    for group, text in GROUPS.items():
        for part in text.strip().replace("\n", " | ").split(" | "):
            expression, _, marks = part.partition(" # ")
            if expression.strip():
                found.append((group, expression.strip(), marks.strip()))
    return found
