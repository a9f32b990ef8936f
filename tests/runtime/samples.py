"""The table of library functions under test: expressions over sample arguments, grouped by family.

Each sample is an expression in ``np``, ``lax`` and the names of ARGUMENTS that it uses. Real floating arguments are
differentiated, and every argument can be batched. A sample may be marked: "v" values only (no derivative), "n" not under
vmap, "j" not under jit (the result's shape depends on values).
"""
import numpy

_rng = numpy.random.default_rng(7)


def _f(*shape):
    return _rng.normal(size=shape).astype("float32")


ARGUMENTS = {
    "s": numpy.float32(0.7), "t": numpy.float32(-1.3), "v": _f(5), "w": _f(5), "u": _f(3), "x": _f(3, 4), "y": _f(3, 4),
    "z": _f(4, 2), "c": _f(2, 3, 4), "d": _f(2, 4, 3), "row": _f(4), "col": _f(3, 1), "p": numpy.abs(_f(3, 4)) + 0.5,
    "q": numpy.abs(_f(3, 4)) + 0.5, "h": _f(3, 4) * 0.3, "sq": _f(4, 4), "i": numpy.array([2, 0, 1, 2], "int32"),
    "j": numpy.array([[1, 0], [2, 2]], "int32"), "k": numpy.int32(1), "m": numpy.array([True, False, True, True, False]),
    "mx": _rng.normal(size=(3, 4)) > 0, "n": numpy.array([3, -7, 12, 5], "int32"), "n2": numpy.array([2, 3, -5, 1], "int32"),
    "img": _f(2, 3, 6, 5), "ker": _f(4, 3, 3, 2), "kg": _f(6, 1, 3, 2), "line": _f(2, 2, 7), "kl": _f(3, 2, 3),
    "b": numpy.array([0.0, 1.0, 1.0, -2.0, 0.0], "float32"), "big": _f(6, 7),
    "f": _f(3, 4) + 1j * _f(3, 4),
}
ARGUMENTS["f"] = ARGUMENTS["f"].astype("complex64")

ELEMENTWISE = """
np.sin(x) | np.cos(x) | np.tan(h) | np.arcsin(h) | np.arccos(h) | np.arctan(x) | np.sinh(x) | np.cosh(x) | np.tanh(x)
np.arcsinh(x) | np.arccosh(p + 1) | np.arctanh(h) | np.exp(x) | np.exp2(x) | np.expm1(x) | np.log(p) | np.log1p(p)
np.log2(p) | np.log10(p) | np.sqrt(p) | np.cbrt(p) | np.square(x) | np.reciprocal(p) | lax.logistic(x) | lax.erf(x)
lax.erfc(x) | lax.erf_inv(h) | lax.lgamma(p) | lax.digamma(p) | lax.rsqrt(p) | lax.polygamma(1.0, p) | np.negative(x)
np.positive(x) | np.degrees(x) | np.radians(x) | np.abs(x) | np.fabs(x) | np.sign(x) | np.floor(x) | np.ceil(x)
np.trunc(x) | np.rint(x) | np.round(x, 1) | np.isnan(x) | np.isinf(x) | np.isfinite(x) | np.signbit(x) | np.add(x, y)
np.subtract(x, row) | np.multiply(x, col) | np.divide(x, p) | x + s | s - x | 2.0 * x | x / 3 | x * x | 1 / p | x ** 2
x ** 3 | p ** -2 | p ** 0.5 | p ** q | 2.0 ** x | np.power(p, row) | np.float_power(p, 2) | np.maximum(x, y)
np.minimum(x, y) | np.maximum(b, 0.0) | np.fmax(x, y) | np.fmin(x, row) | np.floor_divide(x, y) | np.remainder(x, p)
np.fmod(x, p) | np.mod(x, 0.7) | np.arctan2(x, y) | np.hypot(x, y) | np.logaddexp(x, y) | np.logaddexp2(x, y)
np.heaviside(x, 0.5) | np.copysign(x, y) | np.where(mx, x, y) | np.where(x > 0, x, 0.0) | np.where(mx, s, row)
np.clip(x, -0.5, 0.5) | np.clip(x, None, 0.3) | lax.clamp(-0.5, x, 0.5) | np.nan_to_num(x) | np.sinc(x) | np.deg2rad(x)
np.divmod(x, p)[1] | np.select([x > 1, x > 0], [x, x * 2], 0.0) | lax.integer_pow(x, 3) | lax.max(x, y) | lax.rem(x, p)
np.exp(x) * np.log(p) / (1 + x * x) | lax.round(x) | np.ldexp(x, 2) | np.modf(x)[0] | -x | abs(x) | +x
lax.reduce_precision(x, 8, 7) | lax.stop_gradient(x) * x | np.astype(x, np.float16) | x.astype(int) * x | np.asarray(x) * 2
np.i0(x) | lax.bessel_i0e(x) | lax.bessel_i1e(x) | lax.square(x) | lax.reciprocal(p) | lax.exp2(x)
"""
INTEGERS = """
n + n2 | n - n2 | n * n2 | n / n2 | n // n2 | n % n2 | np.fmod(n, n2) | n ** 2 | np.abs(n) | np.sign(n) | -n | n & n2
np.bitwise_or(n, n2) | n ^ n2 | ~n | n << 2 | n >> 1 | np.bitwise_count(n) | lax.clz(n) | np.gcd(n, n2) | np.lcm(n, n2) | n == n2
n != n2 | n < n2 | n <= n2 | n > n2 | n >= n2 | np.logical_and(n, n2) | np.logical_or(m, m) | np.logical_xor(m, m)
np.logical_not(n) | np.sin(n) | np.sqrt(np.abs(n)) | np.mean(n) | np.sum(n) | np.prod(n) | np.max(n) | np.argmax(n)
np.cumsum(n) | np.sum(m) | np.any(m) | np.all(m) | np.sort(n) | np.argsort(n) | np.floor(n) | np.round(n) | np.exp(n)
np.true_divide(n, 2) | n * 2.5 | n + 1 | n * True | lax.div(n, n2) | lax.shift_right_logical(n, 1) | np.bincount(i, length=4)
np.power(n, np.abs(n2)) | np.left_shift(n, 1) | np.invert(m) | np.equal(m, False) | np.maximum(n, n2) | np.cumprod(n)
np.count_nonzero(n) | np.diff(n) | np.unravel_index(i, (2, 2))[0] | np.isin(n, n2) | np.searchsorted(np.sort(n), n2)
np.digitize(v, np.array([-1.0, 0.0, 1.0])) | np.argmin(n) | np.ptp(n) | n.astype(np.float32) | np.minimum(n, 4)
np.tri(3, 4, 1) + 0 * k | np.arange(5) + k | np.linspace(0, 1, 7) + k | np.eye(3, 4, 1) + k | np.full((2, 3), 2) + k
"""
REDUCTIONS = """
np.sum(x) | np.sum(x, axis=0) | np.sum(c, axis=(0, 2)) | np.sum(x, axis=-1, keepdims=True) | np.sum(x, where=mx)
np.sum(x, initial=2.0) | np.sum(x, dtype=np.float16) | np.mean(x) | np.mean(c, axis=1) | np.mean(x, keepdims=True)
np.mean(x, where=mx) | np.max(x) | np.max(x, axis=1) | np.min(c, axis=(0, 1)) | np.max(b) | np.max(x, initial=0.0)
np.min(x, axis=0, keepdims=True) | np.max(x, axis=1, initial=-9.0, where=mx) | np.prod(x) | np.prod(x, axis=1)
np.prod(b) | np.prod(c, axis=(0, 2)) | np.var(x) | np.var(x, axis=0, ddof=1) | np.std(x) | np.std(x, axis=1)
np.var(x, where=mx) | np.cumsum(x) | np.cumsum(x, axis=1) | np.cumsum(c, axis=-2) | np.cumprod(x, axis=1) | np.cumprod(b)
np.any(x > 1) | np.all(x > -9, axis=0) | np.argmax(x) | np.argmax(x, axis=0) | np.argmin(x, axis=1) | np.ptp(x, axis=0)
np.average(x, axis=1, weights=row) | np.average(x) | np.count_nonzero(x > 0, axis=1) | np.median(v) | np.median(x, axis=1)
np.quantile(x, 0.3, axis=1) | np.percentile(v, 40.0) | np.quantile(v, np.array([0.2, 0.9])) | np.nansum(x) | np.nanmean(x, axis=0)
np.nanmax(x, axis=1) | np.nanvar(x) | np.nanmedian(x, axis=1) | np.nanprod(x, axis=0) | np.amax(x, axis=0) | np.amin(x)
lax.cumsum(x, 1) | lax.cumsum(x, 0, reverse=True) | lax.cummax(x, 1) | lax.cummin(x, 0) | lax.cumprod(x, 1)
lax.cumlogsumexp(x, 1) | lax.reduce_sum(x, (0,)) | lax.reduce_max(x, (1,)) | lax.reduce(x, 0.0, lax.add, (1,))
np.cov(x) | np.corrcoef(x) | np.linalg.norm(x) | np.trace(sq) | np.sum(x * x) ** 0.5 | np.mean((x - y) ** 2)
np.cumulative_sum(v) | np.nancumsum(x, axis=1) | np.trapezoid(v) | np.trapezoid(v, dx=0.5) | np.argmax(b) | np.max(x, axis=(0, 1))
"""
SHAPES = """
np.reshape(x, (4, 3)) | x.reshape(-1) | x.reshape(2, -1) | np.reshape(x, (2, 6), order='F') | np.ravel(x) | x.T
np.transpose(c) | np.transpose(c, (1, 2, 0)) | np.transpose(c, (2, 0, 1)) | np.swapaxes(c, 0, 2) | np.moveaxis(c, 0, -1)
np.moveaxis(c, (0, 1), (2, 0)) | np.expand_dims(x, 1) | np.expand_dims(x, (0, 3)) | np.squeeze(col) | np.squeeze(col, 1)
np.broadcast_to(row, (3, 4)) | np.broadcast_to(col, (3, 4)) | np.concatenate([x, y]) | np.concatenate([x, col], axis=1)
np.concatenate([x, row], axis=None) | np.stack([x, y]) | np.stack([x, y], axis=-1) | np.stack([v, w, v * w]) | np.hstack([v, w])
np.vstack([v, w]) | np.dstack([x, y]) | np.column_stack([v, w]) | np.array([s, t, s * t]) | np.array([[s, t], [t, 1.0]])
np.array([v, w]) | np.split(x, 2, axis=1)[1] | np.array_split(v, 3)[0] | np.split(v, [1, 3])[1] | np.flip(x) | np.flip(x, 1)
np.fliplr(x) | np.flipud(x) | np.roll(x, 1) | np.roll(x, 1, axis=1) | np.roll(x, (1, 2), axis=(0, 1)) | np.tile(v, 2)
np.tile(x, (2, 3)) | np.repeat(v, 2) | np.repeat(x, 2, axis=1) | np.repeat(v, np.array([1, 0, 2, 1, 1])) | np.pad(v, 2)
np.pad(x, ((1, 0), (0, 2))) | np.pad(x, 1, mode='edge') | np.pad(x, 2, mode='reflect') | np.pad(x, 1, mode='wrap')
np.pad(v, 2, mode='symmetric') | np.pad(v, (1, 2), constant_values=s) | np.pad(x, 1, mode='mean') | np.atleast_1d(s)
np.atleast_2d(v) | np.atleast_3d(x) | np.diag(v) | np.diag(v, 1) | np.diag(v, -2) | np.diag(sq) | np.diag(x, 1)
np.diagonal(c, 0, 1, 2) | np.tril(sq) | np.triu(x, 1) | np.triu(c) | np.sort(v) | np.sort(x, axis=0) | np.sort(x, axis=None)
np.sort(x, descending=True) | np.argsort(x, axis=1) | np.rot90(x) | np.rot90(x, 2) | np.broadcast_arrays(row, col)[0]
np.meshgrid(v, u)[0] | np.meshgrid(v, u, indexing='ij')[1] | np.append(v, w) | np.delete(v, 1) | np.insert(v, 2, 5.0)
np.resize(v, (2, 4)) | np.full((2, 3), s) | np.full((3, 5), v) | np.full_like(x, s) | np.linspace(s, t, 6) | np.linspace(u, 2.0, 4)
np.zeros_like(x) + x | np.ones_like(x) * y | np.vander(v, 3) | np.kron(x, z) | np.block([[x, y], [y, x]]) | np.diagflat(v)
lax.broadcast(v, (2,)) | lax.broadcast_in_dim(v, (5, 2), (0,)) | lax.pad(x, 0.5, ((1, 2, 0), (0, -1, 1))) | lax.pad(x, s, ((1, 1, 1), (0, 0, 2)))
lax.slice(x, (0, 1), (3, 4), (2, 2)) | lax.slice_in_dim(x, 1, 3, axis=1) | lax.rev(x, (0,)) | lax.collapse(c, 0, 2)
lax.concatenate([x, y], 1) | lax.expand_dims(x, (1,)) | lax.index_in_dim(x, 1) | lax.top_k(v, 3)[0] | lax.top_k(x, 2)[1]
np.fft.fft(v).real | np.unstack(x)[1] | np.hsplit(x, 2)[0] | np.rollaxis(c, 2) | np.matrix_transpose(c) | lax.reshape(x, (2, 6))
np.column_stack([v, x.reshape(-1)[:5]]) | np.choose(i, [row, row * 2, row * 3]) | np.compress(np.array([True, False, True]), x, axis=0)
"""
DOTS = """
np.dot(v, w) | np.dot(x, row) | np.dot(x, z) | np.dot(u, x) | np.dot(s, x) | np.dot(x, s) | np.dot(c, z) | np.dot(c, d)
np.dot(row, d[0]) | x @ z | u @ x | x @ row | c @ z | c @ d | v @ w | row @ d | np.matmul(c[:1], d) | np.matmul(c[:, None], d)
np.dot(x, z) + s | np.dot(x, row) + np.ones((2, 3)) | x @ z + np.ones((2, 1, 2)) | np.tensordot(c, z, 1) | np.tensordot(c, d, ([1, 2], [2, 1]))
np.tensordot(x, y) | np.inner(v, w) | np.inner(x, y) | np.outer(v, u) | np.vdot(x, y) | np.einsum('ij,jk->ik', x, z)
np.einsum('ij->ji', x) | np.einsum('ii', sq) | np.einsum('ii->i', sq) | np.einsum('ij,ij->', x, y) | np.einsum('i,j->ij', v, u)
np.einsum('bij,bjk->bik', c, d) | np.einsum('...ij,jk', c, z) | np.einsum('ij,jk,i->k', x, z, u) | np.einsum('ij->', x)
np.einsum(x, [0, 1], y, [2, 1], [2, 0]) | np.einsum(x, [Ellipsis, 1], row, [1]) | np.linspace(row, 2 * row, 4)
np.linspace(v, 3.0, 3, endpoint=False) | np.take_along_axis(x, np.array([[0, -5], [9, 1], [1, 1]]), 1, mode='clip')
np.einsum("ij,kj,kl->il", x, y, x) | np.vecdot(x, y) | np.kron(v, u)
np.cross(x[:, :3], y[:, :3]) | np.convolve(v, u) | np.convolve(v, u, mode='same') | np.convolve(v, u, mode='valid') | np.correlate(v, u)
lax.dot(x, z) | lax.dot_general(c, d, (((2,), (1,)), ((0,), (0,)))) | lax.batch_matmul(c, d) | np.polyval(u, s) | np.polyval(v, x)
np.interp(s, np.array([0.0, 0.5, 1.0]), u) | np.gradient(v) | np.gradient(x, axis=1) | np.gradient(v, 0.5) | np.diff(v) | np.diff(x, n=2, axis=1)
np.ediff1d(v) | np.unwrap(v * 4) | np.polyadd(v, u) | np.polymul(v, u) | np.polyder(v) | np.polyint(u) | np.matvec(c, row) | np.vecmat(row, d)
"""
INDEXING = """
x[0] | x[-1] | x[1, 2] | x[:, 1] | x[1:3] | x[::2] | x[::-1] | x[:, ::-2] | x[..., 0] | x[None] | x[:, None, 1:] | v[k]
x[k] | x[:, k] | x[k, 1:3] | v[i] | x[np.array([0, 2])] | x[:, i] | x[np.array([0, 2]), np.array([1, 3])] | c[:, np.array([0, 2]), 1]
c[np.array([0, 1]), :, np.array([1, 2])] | x[j] | v[np.array([True, False, True, True, False])] | x[i[:3], 1:] | c[0, i[:2]] | c[..., k]
x[k][1] | x[1][k] | c[k - 1, :, i] | np.take(v, i) | np.take(x, i, axis=1) | np.take(x, 1, axis=0) | np.take(x, j)
np.take(v, np.array([7, -1, 2])) | np.take(x, i, axis=0, mode='clip') | np.take(v, i + 3, mode='wrap') | np.take_along_axis(x, np.argsort(x, 1), 1)
np.take_along_axis(x, np.array([[0], [2], [1]]), 1) | x.at[0].set(1.0) | x.at[1].set(row) | x.at[:, 1].add(u) | x.at[1, 2].set(s)
x.at[k].set(row) | x.at[k, 1].add(s) | v.at[i].add(row) | v.at[np.array([0, 3])].set(s) | x.at[::2].set(y[::2]) | x.at[1:, ::-2].add(y[1:, ::-2])
v.at[1:3].multiply(s) | v.at[np.array([0, 2])].mul(2.0) | v.at[2].divide(s) | v.at[1].max(s) | v.at[i].max(row) | v.at[i].min(row * 3) | v.at[np.array([1, 1, 1])].max(u * u) | b.at[np.array([0, 2, 2, 4])].max(np.maximum(row, 0.0)) | v.at[2].min(0.1)
x.at[mx].set(0.0) | c.at[:, np.array([0, 2]), 1:3].set(s) | v.at[k].get() | v.at[9].set(s) | lax.dynamic_slice(v, (k,), (2,))
lax.dynamic_slice(x, (k, 1), (2, 2)) | lax.dynamic_update_slice(x, y[:2, :2], (k, 1)) | lax.dynamic_slice_in_dim(x, k, 2, axis=1)
lax.dynamic_index_in_dim(x, k, keepdims=False) | lax.dynamic_update_index_in_dim(x, row, k, 0) | lax.dynamic_update_slice_in_dim(v, u, k, 0)
x[1:1] | v[-2:] | x[:, -1] | x.T[k] | np.piecewise(x, [x < 0, x >= 0], [lambda t: t * t, 1.0]) | x[np.newaxis, ..., 0] | v[k:k + 1] if False else v[1:2]
"""
CONVOLUTIONS = """
lax.conv(img, ker, (1, 1), 'SAME') | lax.conv(img, ker, (2, 1), 'VALID') | lax.conv_general_dilated(img, ker, (1, 2), ((1, 2), (0, 1)))
lax.conv_general_dilated(img, ker, (1, 1), 'SAME', rhs_dilation=(2, 1)) | lax.conv_general_dilated(img, ker, (1, 1), ((2, 2), (1, 1)), lhs_dilation=(2, 3))
lax.conv_general_dilated(img, kg, (1, 1), 'SAME', feature_group_count=3) | lax.conv_general_dilated(img, ker, (2, 2), 'SAME', batch_group_count=2)
lax.conv_general_dilated(img.transpose(0, 2, 3, 1), ker.transpose(2, 3, 1, 0), (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
lax.conv_general_dilated(line, kl, (2,), 'SAME') | lax.conv_with_general_padding(img, ker, (1, 1), ((0, 0), (0, 0)), (1, 1), (1, 2))
lax.conv_transpose(img.transpose(0, 2, 3, 1), ker.transpose(2, 3, 1, 0), (2, 2), 'SAME') | lax.conv_general_dilated_patches(line, (3,), (1,), 'VALID')
lax.reduce_window(big, 0.0, lax.add, (2, 3), (1, 2), 'VALID') | lax.reduce_window(big, 0.0, lax.add, (3, 3), (2, 2), 'SAME')
lax.reduce_window(big, -np.inf, lax.max, (2, 2), (2, 2), 'VALID') | lax.reduce_window(big, -np.inf, lax.max, (3, 2), (1, 1), 'SAME')
lax.reduce_window(big, np.inf, lax.min, (2, 2), (2, 2), 'VALID')
"""
COMPLEX = """
np.real(f) | np.imag(f) | np.abs(f) | np.conj(f) | np.angle(f) | f * 2 | f * f | f.real * f.imag | np.exp(f) | np.sum(f)
np.abs(np.sum(f)) | f @ z | np.where(mx, f, 0) | lax.complex(x, y) | np.real(lax.complex(x, y) * f) | 1j * x | np.sin(f)
"""
CONTROL = """
lax.fori_loop(0, 3, lambda a, r: r * s + a, t) | lax.scan(lambda r, e: (r * s + e, r), t, v)[0] | lax.scan(lambda r, e: (r * s + e, r * e), t, v)[1]
lax.scan(lambda r, e: (r * s + e[0], r - e[1]), t, (v, w))[1] | lax.scan(lambda r, e: (r * s + e, r), t, v, reverse=True)[1]
lax.scan(lambda r, e: (r * s, r), t, None, length=4)[1] | lax.map(lambda e: np.sin(e) * s, x) | lax.cond(True, lambda a: a * s, lambda a: a, t)
lax.while_loop(lambda r: r < 5.0, lambda r: r * 2.0, s) | lax.switch(1, [lambda a: a, lambda a: a * s, lambda a: a - 1], t)
lax.associative_scan(lambda a, b: a * b, v) | lax.associative_scan(lambda a, b: a + b, x, axis=1)
"""
GROUPS = {"elementwise": ELEMENTWISE, "integers": INTEGERS, "reductions": REDUCTIONS, "shapes": SHAPES, "dots": DOTS,
          "indexing": INDEXING, "convolutions": CONVOLUTIONS, "complex": COMPLEX, "control": CONTROL}


def samples(group):
    """The expressions of one group."""
    import re
    found = []
    for line in GROUPS[group].strip().splitlines():
        parts = [p.strip() for p in re.split(r" \| ", line)]
        found += [p for p in parts if p]
    return found


def arguments(expression):
    """The names of the arguments that an expression uses, in order."""
    import ast
    bound = {a.arg for n in ast.walk(ast.parse(expression)) if isinstance(n, ast.Lambda) for a in n.args.args}
    names = [n.id for n in ast.walk(ast.parse(expression)) if isinstance(n, ast.Name)]
    return [n for n in dict.fromkeys(names) if n in ARGUMENTS and n not in bound]
