/* Lanes: W cells side by side in one vector, every operation element by element, so a lane never sees its neighbours.
 * Plain GNU C vector extensions (gcc and clang): no intrinsics, no libmvec, no -ffast-math, NaN and infinity as in C.
 *
 * exp, log: argument reduction and rational/polynomial forms after fdlibm (Sun Microsystems 1993, e_exp.c, e_log.c,
 * s_log1p.c, s_expm1.c, freely distributable); the exponential's kernel is the Taylor series to x^13, whose remainder on
 * |x| <= ln(2)/2 is below 5e-18. Errors are a few units in the last place (tests compare them with libm). */
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef double vd __attribute__((vector_size(8 * W), aligned(8 * W)));
typedef int64_t vi __attribute__((vector_size(8 * W), aligned(8 * W)));
#define INLINE static inline __attribute__((always_inline))
#define CALLED static __attribute__((noinline))

INLINE vd splat(double a) { return (vd){0} + a; }
INLINE vi spliti(int64_t a) { return (vi){0} + a; }
INLINE vd select_(vi mask, vd yes, vd no) { return (vd)((mask & (vi)yes) | (~mask & (vi)no)); }
INLINE vd truth(vi mask) { return (vd)(mask & (vi)splat(1.0)); }
INLINE vd min_(vd a, vd b) { return select_(a < b, a, b); }
INLINE vd max_(vd a, vd b) { return select_(a > b, a, b); }
INLINE vd lt_(vd a, vd b) { return truth(a < b); }
INLINE vd le_(vd a, vd b) { return truth(a <= b); }
INLINE vd eq_(vd a, vd b) { return truth(a == b); }
INLINE vd ne_(vd a, vd b) { return truth(a != b); }
INLINE vd and_(vd a, vd b) { return truth((a != 0.0) & (b != 0.0)); }
INLINE vd or_(vd a, vd b) { return truth((a != 0.0) | (b != 0.0)); }
INLINE vd not_(vd a) { return truth(a == 0.0); }
INLINE vd ifz_(vd a, vd b) { return (vd)((a != 0.0) & (vi)b); }
INLINE vd abs_(vd a) { return (vd)((vi)a & spliti(INT64_MAX)); }
INLINE vd sign_(vd a) { return truth(a > 0.0) - truth(a < 0.0); }
/* the larger of |a| and b >= 0; NaN if either is */
INLINE vd biggest_(vd a, vd b) { a = abs_(a); return select_(a <= b, b, select_(b != b, b, a)); }
INLINE vd copysign_(vd a, vd b) { return (vd)(((vi)a & spliti(INT64_MAX)) | ((vi)b & spliti(INT64_MIN))); }
INLINE vd sqrt_(vd a) { vd r; for (int l = 0; l < W; l++) r[l] = __builtin_sqrt(a[l]); return r; }

/* 2^k times (1 + p), p = expm1(r), x = k ln 2 + r */
INLINE vd exp_split(vd x, vd *scale) {
  const vd magic = splat(6755399441055744.0); /* 1.5 * 2^52: adding it rounds to an integer in the low bits */
  vd shifted = x * 1.44269504088896338700 + magic;
  vd k = shifted - magic;
  vd r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
  *scale = (vd)(((vi)shifted + spliti(1023)) << 52);
  vd p = splat(1.0 / 6227020800.0);
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  return p * (r * r) + r;
}
INLINE vd clamp_exp(vd x) { return select_(x > 709.0, splat(709.0), select_(x < -708.0, splat(-708.0), x)); }
CALLED vd exp_(vd x) {
  vd scale, p = exp_split(clamp_exp(x), &scale);
  vd e = scale * p + scale;
  e = select_(x > 709.0, splat(INFINITY), e);
  return select_(x < -708.0, splat(0.0), e);
}
CALLED vd expm1_(vd x) {
  vd scale, p = exp_split(clamp_exp(x), &scale);
  return select_(x > 709.0, splat(INFINITY), scale * p + (scale - 1.0));
}
INLINE vd log_core(vd x) { /* positive, normal, finite */
  vi bits = (vi)x - spliti(0x3fe6a09e667f3bcd); /* sqrt(1/2): the mantissa ends up in [sqrt(1/2), sqrt(2)) */
  vi k = bits >> 52;
  vd m = (vd)((bits & spliti(0x000fffffffffffff)) + spliti(0x3fe6a09e667f3bcd));
  const vd magic = splat(6755399441055744.0);
  vd e = (vd)((vi)magic + k) - magic;
  vd f = m - 1.0, s = f / (m + 1.0), z = s * s;
  vd p = splat(1.479819860511658591e-01);
  p = p * z + 1.531383769920937332e-01;
  p = p * z + 1.818357216161805012e-01;
  p = p * z + 2.222219843214978396e-01;
  p = p * z + 2.857142874366239149e-01;
  p = p * z + 3.999999999940941908e-01;
  p = p * z + 6.666666666666735130e-01;
  p = p * z;
  vd half = 0.5 * f * f;
  return e * 6.93147180369123816490e-01 - ((half - (s * (half + p) + e * 1.90821492927058770002e-10)) - f);
}
CALLED vd log_(vd x) {
  vd r = log_core(x);
  r = select_(x < 2.2250738585072014e-308, splat(-INFINITY), r);
  r = select_(x > 1.7976931348623157e308, splat(INFINITY), r);
  return select_((x < 0.0) | (x != x), splat(NAN), r);
}
INLINE vd log1p_core(vd z) { vd u = 1.0 + z; return log_core(u) + (z - (u - 1.0)) / u; }
CALLED vd log1p_(vd z) {
  vd r = log1p_core(z);
  r = select_(z > 1.7976931348623157e308, splat(INFINITY), r);
  return select_((z <= -1.0) | (z != z), select_(z == -1.0, splat(-INFINITY), splat(NAN)), r);
}
CALLED vd asinh_(vd x) {
  vd a = min_(abs_(x), splat(1e150));
  vd aa = a * a;
  return select_(x != x, x, copysign_(log1p_core(a + aa / (1.0 + sqrt_(aa + 1.0))), x));
}
INLINE vd expm1_abs(vd x) { vd scale, a = min_(abs_(x), splat(709.0)), p = exp_split(a, &scale); return scale * p + (scale - 1.0); }
CALLED vd tanh_(vd x) {
  vd e = expm1_abs(2.0 * x);
  return select_(x != x, x, copysign_(e / (e + 2.0), x));
}
CALLED vd sinh_(vd x) { vd e = expm1_abs(x); return select_(x != x, x, copysign_(0.5 * (e + e / (e + 1.0)), x)); }
CALLED vd cosh_(vd x) { vd e = expm1_abs(x) + 1.0; return select_(x != x, x, 0.5 * (e + 1.0 / e)); }

/* cube root, to the accuracy that a step-size rule needs */
INLINE vd cbrt_(vd a) { return exp_(log_(a) * (1.0 / 3.0)); }

#define EACH1(name, f) CALLED vd name(vd a) { vd r; for (int l = 0; l < W; l++) r[l] = f(a[l]); return r; }
#define EACH2(name, f) CALLED vd name(vd a, vd b) { vd r; for (int l = 0; l < W; l++) r[l] = f(a[l], b[l]); return r; }
EACH1(sin_, sin) EACH1(cos_, cos) EACH1(tan_, tan) EACH1(asin_, asin) EACH1(acos_, acos) EACH1(atan_, atan)
EACH1(acosh_, acosh) EACH1(atanh_, atanh) EACH1(erf_, erf) EACH1(floor_, floor) EACH1(ceil_, ceil)
EACH2(pow_, pow) EACH2(atan2_, atan2) EACH2(mod_, fmod)

/* A piecewise cubic: m pieces, the outer two extended; uniform: 1/step, else 0 and a binary search. */
CALLED vd table_(const double *x, const double *c, int m, double uniform, int outside_nan, vd q) {
  vd r;
  for (int l = 0; l < W; l++) {
    double v = q[l];
    int i = 0;
    if (v == v) {
      if (uniform > 0) {
        double guess = (v - x[0]) * uniform;
        i = guess > 0 ? (guess < m - 1 ? (int)guess : m - 1) : 0;
        if (i > 0 && v < x[i]) i--;
        else if (i < m - 1 && v >= x[i + 1]) i++;
      } else {
        for (int low = 0, high = m; i = low, high - low > 1;) {
          int middle = (low + high) / 2;
          if (v >= x[middle]) low = middle; else high = middle;
        }
      }
    }
    const double *p = c + 4 * i;
    double d = v - x[i];
    r[l] = p[0] + d * (p[1] + d * (p[2] + d * p[3]));
    if (outside_nan && !(v >= x[0] && v <= x[m])) r[l] = NAN;
  }
  return r;
}
