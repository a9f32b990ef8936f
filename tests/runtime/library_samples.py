"""Samples of the library beyond NumPy: expressions over sample arguments, by module.

An expression uses ``np``, ``lax``, ``scipy``, ``image``, ``ops`` and the names of ARGUMENTS. Its float arguments are
differentiated and batched, unless the expression ends in a mark: "# v" compares values alone, "# d" leaves out the derivatives,
"# f" compares them with finite differences (jax has none, or wrong ones), "# b" leaves out batching. A result that is no array is compared leaf by leaf, and only by value.
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
STATS = """
scipy.stats.bernoulli.logpmf(k, u) | scipy.stats.bernoulli.pmf(k, u) | scipy.stats.bernoulli.cdf(x, u) | scipy.stats.bernoulli.ppf(w, u)
scipy.stats.beta.logpdf(u, p, q) | scipy.stats.beta.pdf(u, p, q, -0.2, 2.5) | scipy.stats.beta.cdf(u, 1.2, 0.8) | scipy.stats.beta.sf(u, 2.0, 3.0)
scipy.stats.beta.logcdf(u, 2.0, 1.5) | scipy.stats.beta.logsf(u, 2.0, 1.5) | scipy.stats.betabinom.logpmf(k, n, p, q)
scipy.stats.betabinom.pmf(k, 4, p, q) | scipy.stats.binom.logpmf(k, n, u) | scipy.stats.binom.pmf(k, 5, u, 1) | scipy.stats.cauchy.logpdf(x, y, p)
scipy.stats.cauchy.pdf(x) | scipy.stats.cauchy.cdf(x, y, p) | scipy.stats.cauchy.logcdf(x) | scipy.stats.cauchy.sf(x, y, p)
scipy.stats.cauchy.logsf(x, s, t) | scipy.stats.cauchy.isf(u, s, t) | scipy.stats.cauchy.ppf(u, s, t) | scipy.stats.chi2.logpdf(p, q)
scipy.stats.chi2.pdf(p, q, s * 0.1, t) | scipy.stats.chi2.cdf(p, q) | scipy.stats.chi2.sf(p, q) | scipy.stats.chi2.logcdf(p, q) | scipy.stats.chi2.logsf(p, q)
scipy.stats.dirichlet.logpdf(simplex, four) | scipy.stats.dirichlet.pdf(simplex[:3], four) | scipy.stats.expon.logpdf(p, s, t)
scipy.stats.expon.pdf(p) | scipy.stats.expon.cdf(p, s, t) | scipy.stats.expon.logcdf(p) | scipy.stats.expon.sf(p) | scipy.stats.expon.logsf(p, s)
scipy.stats.expon.ppf(u, s, t) | scipy.stats.gamma.logpdf(x, p) | scipy.stats.gamma.pdf(p, q, 0.1, t) | scipy.stats.gamma.cdf(p, q)
scipy.stats.gamma.sf(p, q, 0.0, t) | scipy.stats.gamma.logcdf(p, q) | scipy.stats.gamma.logsf(p, q) | scipy.stats.gennorm.logpdf(x, p)
scipy.stats.gennorm.pdf(x, r) | scipy.stats.gennorm.cdf(x, r) | scipy.stats.geom.logpmf(k, u) | scipy.stats.geom.pmf(n, u) | scipy.stats.gumbel_r.logpdf(x, y, p) # f
scipy.stats.gumbel_r.pdf(x) | scipy.stats.gumbel_r.cdf(x, y, p) | scipy.stats.gumbel_r.logcdf(x, y, p) | scipy.stats.gumbel_r.sf(x, y, p)
scipy.stats.gumbel_r.logsf(x) | scipy.stats.gumbel_r.ppf(u, s, t) # f | scipy.stats.gumbel_l.logpdf(x, y, p) # f | scipy.stats.gumbel_l.pdf(x)
scipy.stats.gumbel_l.cdf(x, y, p) | scipy.stats.gumbel_l.logcdf(x, y, r) | scipy.stats.gumbel_l.sf(x, y, r) | scipy.stats.gumbel_l.logsf(x)
scipy.stats.gumbel_l.ppf(u, s, t) # f | scipy.stats.laplace.logpdf(x, y, p) | scipy.stats.laplace.pdf(x) | scipy.stats.laplace.cdf(x, y, p)
scipy.stats.logistic.logpdf(x, y, p) | scipy.stats.logistic.pdf(x) | scipy.stats.logistic.cdf(x, s, t) | scipy.stats.logistic.sf(x, s, t)
scipy.stats.logistic.ppf(u, s, t) | scipy.stats.logistic.isf(u, s, t) | scipy.stats.multinomial.logpmf(n[0], 8, simplex[:3])
scipy.stats.multinomial.pmf(np.array([1, 0, 2, 1]), 4, simplex) | scipy.stats.multivariate_normal.logpdf(row, four, h)
scipy.stats.multivariate_normal.pdf(a, row, h) | scipy.stats.multivariate_normal.logpdf(x, s, t) | scipy.stats.multivariate_normal.logpdf(a, row, t)
scipy.stats.nbinom.logpmf(k, p, u) | scipy.stats.nbinom.pmf(k, p, u, 1) | scipy.stats.pareto.logpdf(p, q, 0.0, 0.2) | scipy.stats.pareto.pdf(r, q)
scipy.stats.pareto.cdf(r, q) | scipy.stats.pareto.logcdf(r, q) | scipy.stats.pareto.logsf(r, q, 0.1, s) | scipy.stats.pareto.sf(r, q)
scipy.stats.pareto.ppf(u, q, s, t) | scipy.stats.poisson.logpmf(n, p) | scipy.stats.poisson.pmf(k, p) | scipy.stats.poisson.cdf(k, p)
scipy.stats.poisson.entropy(p) # f | scipy.stats.poisson.entropy(9 * p * p) # f | scipy.stats.poisson.entropy(200 * p) # f | scipy.stats.t.logpdf(x, q, y, p) | scipy.stats.t.pdf(x, q)
scipy.stats.truncnorm.logpdf(x, -1.5, 1.0) | scipy.stats.truncnorm.pdf(0.5 * u, -r, r) | scipy.stats.truncnorm.cdf(u, -r, r, 0.1, t)
scipy.stats.truncnorm.logcdf(3 + u, 2.0, 4 + u) | scipy.stats.truncnorm.sf(u, -r, r) | scipy.stats.truncnorm.logsf(-3 - u, -4 - u, -2.0)
scipy.stats.uniform.logpdf(x, -1.0, t) | scipy.stats.uniform.pdf(x) | scipy.stats.uniform.cdf(x, -s, 3 * t) | scipy.stats.uniform.ppf(u, s, t)
scipy.stats.vonmises.logpdf(x, p) | scipy.stats.vonmises.pdf(x, p) | scipy.stats.wrapcauchy.logpdf(p, u) | scipy.stats.wrapcauchy.pdf(x, u)
scipy.stats.norm.logpdf(x, y, p) | scipy.stats.norm.sf(x, y, p) | scipy.stats.sem(x) | scipy.stats.sem(x, axis=None, ddof=0) | scipy.stats.sem(a, axis=1, keepdims=True)
scipy.stats.mode(n) | scipy.stats.mode(k, axis=None) | scipy.stats.mode(k, axis=1, keepdims=True) | scipy.stats.mode(np.round(a), axis=1).mode
scipy.stats.rankdata(v) | scipy.stats.rankdata(k) | scipy.stats.rankdata(k, "min", axis=1) | scipy.stats.rankdata(n, "max", axis=0)
scipy.stats.rankdata(k, "dense") | scipy.stats.rankdata(k, "ordinal", axis=1)
"""
SMALL = """
ops.segment_sum(v, ids) # b | ops.segment_sum(g, ids, 4) | ops.segment_prod(v, ids, 4) # d | ops.segment_prod(v, np.array([0, 2, 1, 2, 0]), 4) # f | ops.segment_max(g, ids, 4) | ops.segment_max(v, ids) # b
ops.segment_min(v, ids, num_segments=3) | ops.segment_sum(v, ids, 3, bucket_size=2) | ops.segment_max(k, ids[:2], 3)
ops.segment_sum(v[0], ids, 4) | ops.segment_max(v[0], ids[0], 4) | ops.segment_prod(v[0], ids, 4) | ops.segment_sum(g, np.array([0, -1, 7, 1, 1]), 3) | ops.segment_min(n, ids[:2], 4)
image.resize(img, (7, 4), "linear") | image.resize(img, (3, 3), "linear", antialias=False) | image.resize(img, (10, 6), "cubic")
image.resize(img, (3, 9), "lanczos3") | image.resize(img, (8, 8), "lanczos5") | image.resize(img, (7, 3), "nearest") | image.resize(n, (4, 3), "nearest")
image.resize(img, (4, 8), "cubic-pytorch", antialias=False) | image.resize(img, (4, 3), "area") | image.resize(n, (3, 4), image.ResizeMethod.LINEAR)
image.scale_and_translate(img, (6, 6), (0, 1), four[:2], row[:2], "linear") | image.scale_and_translate(img, (6, 6), (1,), np.array([s]), np.array([t]), "cubic")
scipy.fft.dct(long) | scipy.fft.dct(a, axis=0, norm="ortho") | scipy.fft.dct(v, n=3) | scipy.fft.dct(v, n=8) | scipy.fft.idct(long)
scipy.fft.idct(img, axis=0, norm="ortho") | scipy.fft.idct(v) | scipy.fft.dctn(img) | scipy.fft.dctn(img, s=(4, 7), axes=(0, 1), norm="ortho")
scipy.fft.idctn(img) | scipy.fft.idctn(img, axes=(1,), norm="ortho") | scipy.fft.dct(lax.complex(v, v * v)) | scipy.fft.dct(n)
scipy.integrate.trapezoid(v) | scipy.integrate.trapezoid(g, dx=0.5, axis=0) | scipy.integrate.trapezoid(v, np.cumsum(v * v))
scipy.ndimage.map_coordinates(img, where_to, 1) | scipy.ndimage.map_coordinates(img, where_to * 3 - 3, 1, "nearest")
scipy.ndimage.map_coordinates(img, where_to * 3 - 3, 1, "wrap") | scipy.ndimage.map_coordinates(img, where_to * 3 - 3, 1, "mirror")
scipy.ndimage.map_coordinates(img, where_to * 3 - 3, 1, "reflect") | scipy.ndimage.map_coordinates(img, where_to * 3 - 3, 1, cval=2.0)
scipy.ndimage.map_coordinates(img, where_to, 0) | scipy.ndimage.map_coordinates(n, where_to * 0.5, 1) | scipy.cluster.vq.vq(g, x[:, :2])[1]
scipy.cluster.vq.vq(g, x[:, :2])[0] | scipy.cluster.vq.vq(v, row)[1] | flatten_util.ravel_pytree({"a": x, "b": (s, v)})[0]
flatten_util.ravel_pytree((x, k))[1](flatten_util.ravel_pytree((x, k))[0] * 2)[0]
"""
SIGNAL = """
scipy.signal.convolve(img, ker) | scipy.signal.convolve(img, ker, "same") | scipy.signal.convolve(ker, img, "same") | scipy.signal.convolve(img, ker, "valid")
scipy.signal.convolve(v, row, method="fft") | scipy.signal.correlate(img, ker, "same") | scipy.signal.correlate(v, row, "valid")
scipy.signal.convolve2d(img, ker, "same") | scipy.signal.correlate2d(img, ker) | scipy.signal.correlate2d(img, ker, "same")
scipy.signal.correlate2d(ker, img) | scipy.signal.correlate2d(ker, img, "valid") | scipy.signal.correlate2d(ker * (1 + 2j), img * (2 - 1j), "valid") | scipy.signal.correlate2d(img, ker, "valid")
scipy.signal.fftconvolve(img, ker, "same") | scipy.signal.fftconvolve(a, h, axes=1) | scipy.signal.fftconvolve(img, ker, "valid")
scipy.signal.convolve(n, k) | scipy.signal.correlate(lax.complex(v, v * v), lax.complex(row, 2 * row))
scipy.signal.detrend(signal) | scipy.signal.detrend(signal, type="constant", axis=0) | scipy.signal.detrend(signal, bp=(10, 40))
scipy.signal.stft(signal, nperseg=16)[2] | scipy.signal.stft(signal, 2.0, nperseg=16, noverlap=12, boundary="even")[1]
scipy.signal.stft(signal, nperseg=16, boundary=None, padded=False, detrend="constant") | scipy.signal.stft(signal, window="hamming", nperseg=20, nfft=32, boundary="odd")[2]
scipy.signal.stft(signal, nperseg=15, return_onesided=False, boundary="constant")[2] | scipy.signal.stft(signal.T, nperseg=16, axis=0)[2]
scipy.signal.welch(signal, nperseg=16) | scipy.signal.welch(signal, 3.0, nperseg=16, scaling="spectrum", average="median")[1] | scipy.signal.welch(signal)[1]
scipy.signal.csd(signal[0], signal[1], nperseg=16)[1] | scipy.signal.csd(signal, signal[:, ::-1], 2.0, nperseg=12, detrend="linear", average="median")
scipy.signal.csd(signal[0], signal[1, :50], window=np.ones(10))[1] | scipy.signal.istft(scipy.signal.stft(signal, nperseg=16)[2], nperseg=16)[1]
scipy.signal.istft(lax.complex(img, img * img))[1] | scipy.signal.istft(lax.complex(img, -img), 2.0, window="boxcar", boundary=False, time_axis=0, freq_axis=1)[1]
"""
MATRICES = """
scipy.linalg.toeplitz(v) | scipy.linalg.toeplitz(v, row) | scipy.linalg.toeplitz(x, row) | scipy.linalg.hankel(v) | scipy.linalg.hankel(row, v)
scipy.linalg.hankel(x, y) | scipy.linalg.circulant(v) | scipy.linalg.circulant(x) | scipy.linalg.leslie(v, four) | scipy.linalg.companion(v)
scipy.linalg.companion(p) | scipy.linalg.fiedler(v) | scipy.linalg.fiedler_companion(v) | scipy.linalg.fiedler_companion(long[:7])
scipy.linalg.fiedler_companion(p) | scipy.linalg.fiedler_companion(v[:2]) | scipy.linalg.convolution_matrix(v, 3) | scipy.linalg.convolution_matrix(v, 4, "same")
scipy.linalg.convolution_matrix(v, 7, "valid") | scipy.linalg.convolution_matrix(x, 5, "same") | scipy.linalg.hilbert(4) | scipy.linalg.invhilbert(4)
scipy.linalg.pascal(5) | scipy.linalg.pascal(5, "lower") | scipy.linalg.invpascal(4) | scipy.linalg.invpascal(4, "upper") | scipy.linalg.helmert(5)
scipy.linalg.helmert(4, full=True) | scipy.linalg.hadamard(8) | scipy.linalg.hadamard(4, dtype=float) | scipy.linalg.dft(6) | scipy.linalg.dft(4, "sqrtn")
scipy.linalg.schur(a)[0] # d | scipy.linalg.schur(a, "complex")[1] # d | scipy.linalg.hessenberg(a) # d | scipy.linalg.hessenberg(a, calc_q=True) # d
scipy.linalg.rsf2csf(*scipy.linalg.schur(tri))[0] # v | scipy.linalg.sqrtm(h) # f | scipy.linalg.sqrtm(tri + 2 * h) # f
scipy.linalg.solve_sylvester(h, tri, a) # f | scipy.linalg.solve_sylvester(h, h[:2, :2], z) # f | scipy.linalg.polar(tri)[0] # f | scipy.linalg.polar(z)[1] # f
scipy.linalg.polar(z.T, "left")[1] # f | scipy.linalg.polar(tri, "left", method="svd") | scipy.linalg.expm_frechet(0.3 * a, tri)[1]
scipy.linalg.expm_frechet(0.3 * a, h, compute_expm=False) | scipy.linalg.funm(0.3 * h, np.exp) # v | scipy.linalg.lu_solve(scipy.linalg.lu_factor(tri), row) # d
scipy.linalg.lu_solve(scipy.linalg.lu_factor(tri), z, trans=1) # d | scipy.linalg.lu_solve((h, np.array([1, 3, 2, 3])), row)
scipy.linalg.lu_solve((h, np.array([1, 3, 2, 3])), z, trans=2) | scipy.linalg.qr_multiply(z, row) | scipy.linalg.qr_multiply(a, z, "left")[0] # f
scipy.linalg.qr_multiply(a, row, pivoting=True) | scipy.linalg.qr_multiply(z, h, conjugate=True)[0] # f | scipy.linalg.qr(a, pivoting=True) | scipy.linalg.qr(a, pivoting=True)[0] # f | scipy.linalg.qr(a)[0] # f
scipy.linalg.qr(z, mode="economic", pivoting=True) | scipy.linalg.qr(z.T, mode="r", pivoting=True) | scipy.linalg.eigh_tridiagonal(four, x[0], eigvals_only=True) # f
scipy.linalg.eigh_tridiagonal(row, u[0], eigvals_only=True, select="i", select_range=(1, 2)) # f | np.abs(scipy.linalg.eigh_tridiagonal(row, u[0])[1]) # f
"""
NUMPY = """
np.packbits(n > 1) | np.packbits(n, axis=1) | np.packbits(np.tile(k, (5, 1)), axis=0, bitorder="little") | np.packbits(ids > 0)
np.unpackbits(np.array([3, 200], np.uint8)) | np.unpackbits(np.array([[3], [200]], np.uint8), axis=1, count=11, bitorder="little")
np.unpackbits(np.array([[3], [200]], np.uint8), axis=0, count=-3) | np.polydiv(long, four) | np.polydiv(row, v) | np.polydiv(v, row)[0] | np.polydiv(long, p[0])[1]
np.roots(np.array([1.0, -6.0, 11.0, -6.0])) | np.roots(p[0])[0] # v | np.abs(np.roots(p[1], strip_zeros=False)) # d | np.sort_complex(n) | np.sort_complex(lax.complex(v, v))
np.roots(np.array([0.0, 1.0, -3.0, 2.0, 0.0]), strip_zeros=False) | np.put(x, np.array([0, 5, 9]), v, inplace=False) | np.put(x, np.array([-1, 7]), s, "wrap", inplace=False)
np.put(x, k, row[:2], "clip", inplace=False) | np.place(x, n > 2, y, inplace=False) | np.place(n, k > 0, np.array([9, 8]), inplace=False)
np.histogram2d(row, x[0, 0] + four, bins=3) # b | np.histogram2d(v, v * v, bins=(3, 4), range=((-2, 2), (0, 3)), density=True)
np.histogramdd(g, bins=3, weights=v)[0] | np.histogramdd(z, (2, np.array([-1.0, 0.0, 2.0])), density=True) # b | np.mask_indices(3, np.triu)
np.mask_indices(4, np.tril, -1) | np.unique_all(ids).counts | np.unique_counts(n) | np.unique_inverse(k) | np.unique_values(n)
"""
LINEAR = """
lax.linalg.lu(tri)[0] | lax.linalg.tridiagonal_solve(row, four + 5, row, a) | lax.linalg.triangular_solve(tri, a, left_side=True, lower=True)
lax.linalg.schur(a)[0] # d | lax.linalg.hessenberg(a)[1] # d | lax.linalg.tridiagonal(h)[1] # d | lax.linalg.cholesky(h) | lax.linalg.svd(h, compute_uv=False) # f
lax.linalg.eigh(h)[1] # f | np.abs(lax.linalg.qr(tri)[1]) # f | lax.linalg.symmetric_product(z, h, alpha=0.5, beta=2.0) # f | lax.linalg.householder_product(a[:, :2], row[:2]) # d
lax.linalg.ormqr(a[:, :2], row[:2], z, transpose=True) # f | np.abs(lax.linalg.eig(tri)[2]) # d | np.linalg.eigvals(tri + 2 * h) # v
lax.linalg.lu_pivots_to_permutation(np.array([1, 3, 2, 3]), 4) | lax.ragged_dot(a, np.stack([z, 2 * z]), np.array([1, 2])) # b
"""
GROUPS = {"linear": LINEAR, "special": SPECIAL, "numpy": NUMPY, "matrices": MATRICES, "signal": SIGNAL, "small": SMALL, "stats": STATS}


def samples():
    """Return (group, expression, marks) of every sample."""
    found = []
    for group, text in GROUPS.items():
        for part in text.strip().replace("\n", " | ").split(" | "):
            expression, _, marks = part.partition(" # ")
            if expression.strip():
                found.append((group, expression.strip(), marks.strip()))
    return found
