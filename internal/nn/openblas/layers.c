//go:build openblas

#include "layers.h"
#include "vector.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

VECTOR void korr_mul(float *dst, const float *src, long n) {
#pragma omp simd
	for (long i = 0; i < n; i++) dst[i] *= src[i];
}

// e^x to about one unit in the last place, without branches (Cephes' polynomial after taking out the power of two).
static inline float exponential(float x) {
	x = x < -87.0f ? -87.0f : x;
	x = x > 88.0f ? 88.0f : x;
	const float magic = 12582912.0f; // 1.5 * 2^23: adding it rounds to an integer
	const float t = x * 1.44269504088896341f + magic;
	const float n = t - magic;
	const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
	float p = 1.9875691500e-4f;
	p = p * r + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	p = p * r * r + r + 1.0f;
	int32_t bits;
	memcpy(&bits, &t, 4);
	bits = (bits - 0x4B400000 + 127) << 23;
	float scale;
	memcpy(&scale, &bits, 4);
	return p * scale;
}

// Without a wanted derivative d is y: it is written first.
VECTOR void korr_mish(float *y, float *d, const float *x, long n) {
#pragma omp simd
	for (long i = 0; i < n; i++) {
		const float v = x[i], e = exponential(v > 20.0f ? 20.0f : v), w = e * (e + 2.0f), s = 1.0f / (w + 2.0f);
		d[i] = w * s + v * 4.0f * e * (1.0f + e) * s * s;
		y[i] = v * w * s;
	}
}

VECTOR void korr_silu(float *y, float *d, const float *x, long n) {
#pragma omp simd
	for (long i = 0; i < n; i++) {
		const float v = x[i], s = 1.0f / (1.0f + exponential(-v));
		d[i] = s * (1.0f + v * (1.0f - s));
		y[i] = v * s;
	}
}

VECTOR void korr_affine(float *y, const float *x, const float *w, const float *b, long rows, long width) {
	for (long i = 0; i < rows; i++, x += width, y += width) {
#pragma omp simd
		for (long j = 0; j < width; j++) y[j] = w[j] * x[j] + b[j];
	}
}

VECTOR void korr_affine_grad(float *g, const float *x, const float *w, float *dw, float *db, long rows, long width) {
	for (long i = 0; i < rows; i++, x += width, g += width) {
#pragma omp simd
		for (long j = 0; j < width; j++) {
			dw[j] += g[j] * x[j];
			db[j] += g[j];
			g[j] *= w[j];
		}
	}
}

// Replaces every channel's value by its group's sum, over divisor.
static inline void group_means(float *c, long width, long groups, float divisor) {
	const long group = width / groups;
	for (long k = 0; k < groups; k++, c += group) {
		float s = 0.0f;
#pragma omp simd reduction(+ : s)
		for (long j = 0; j < group; j++) s += c[j];
		s /= divisor;
#pragma omp simd
		for (long j = 0; j < group; j++) c[j] = s;
	}
}

// Sums run over whole rows, channel by channel, so that narrow groups are vectorised too.
VECTOR void korr_group_norm(float *x, float *rstd, long n, long rows, long width, long groups) {
	float c[width];
	const float count = (float)(rows * (width / groups));
	for (long i = 0; i < n; i++, x += rows * width, rstd += groups) {
		memset(c, 0, sizeof c);
		for (long t = 0; t < rows; t++) {
			const float *row = x + t * width;
#pragma omp simd
			for (long j = 0; j < width; j++) c[j] += row[j];
		}
		group_means(c, width, groups, count);
		float sq[width];
		memset(sq, 0, sizeof sq);
		for (long t = 0; t < rows; t++) {
			float *row = x + t * width;
#pragma omp simd
			for (long j = 0; j < width; j++) {
				row[j] -= c[j];
				sq[j] += row[j] * row[j];
			}
		}
		group_means(sq, width, groups, count);
		for (long k = 0; k < groups; k++) rstd[k] = 1.0f / sqrtf(sq[k * (width / groups)] + 1e-5f);
		for (long j = 0; j < width; j++) sq[j] = rstd[j / (width / groups)];
		for (long t = 0; t < rows; t++) {
			float *row = x + t * width;
#pragma omp simd
			for (long j = 0; j < width; j++) row[j] *= sq[j];
		}
	}
}

VECTOR void korr_group_norm_grad(float *g, const float *hat, const float *rstd, long n, long rows, long width, long groups) {
	float a[width], b[width], r[width];
	const float count = (float)(rows * (width / groups));
	for (long i = 0; i < n; i++, g += rows * width, hat += rows * width, rstd += groups) {
		memset(a, 0, sizeof a);
		memset(b, 0, sizeof b);
		for (long t = 0; t < rows; t++) {
			const float *row = g + t * width, *h = hat + t * width;
#pragma omp simd
			for (long j = 0; j < width; j++) {
				a[j] += row[j];
				b[j] += row[j] * h[j];
			}
		}
		group_means(a, width, groups, count);
		group_means(b, width, groups, count);
		for (long j = 0; j < width; j++) r[j] = rstd[j / (width / groups)];
		for (long t = 0; t < rows; t++) {
			float *row = g + t * width;
			const float *h = hat + t * width;
#pragma omp simd
			for (long j = 0; j < width; j++) row[j] = r[j] * (row[j] - a[j] - h[j] * b[j]);
		}
	}
}

VECTOR void korr_fold(float *x, const float *cols, long n, long len, long out, long width, long taps, long stride, long pad) {
	for (long i = 0; i < n; i++, x += len * width) {
		for (long t = 0; t < out; t++, cols += taps * width) {
			const long from = t * stride - pad;
			const long lo = from < 0 ? -from : 0, hi = len - from < taps ? len - from : taps;
			float *dst = x + (from + lo) * width;
			const float *src = cols + lo * width;
			const long m = (hi - lo) * width;
#pragma omp simd
			for (long j = 0; j < m; j++) dst[j] += src[j];
		}
	}
}

// The products of rows of a with four rows of b, summed along k: no packing, every weight is read once for all of a.
#define FOUR(r) \
	s##r##0 += a##r[l] * b0[l]; \
	s##r##1 += a##r[l] * b1[l]; \
	s##r##2 += a##r[l] * b2[l]; \
	s##r##3 += a##r[l] * b3[l];
#define STORE(r) \
	dst[r * n] += s##r##0; \
	dst[r * n + 1] += s##r##1; \
	dst[r * n + 2] += s##r##2; \
	dst[r * n + 3] += s##r##3;
#define ZERO(r) float s##r##0 = 0.0f, s##r##1 = 0.0f, s##r##2 = 0.0f, s##r##3 = 0.0f
#define ALL(r) s##r##0, s##r##1, s##r##2, s##r##3

VECTOR static void four_rows(float *dst, const float *a, const float *b, long k, long n) {
	const float *a0 = a, *a1 = a + k, *a2 = a + 2 * k, *a3 = a + 3 * k;
	const float *b0 = b, *b1 = b + k, *b2 = b + 2 * k, *b3 = b + 3 * k;
	ZERO(0);
	ZERO(1);
	ZERO(2);
	ZERO(3);
#pragma omp simd reduction(+ : ALL(0), ALL(1), ALL(2), ALL(3))
	for (long l = 0; l < k; l++) {
		FOUR(0)
		FOUR(1)
		FOUR(2)
		FOUR(3)
	}
	STORE(0)
	STORE(1)
	STORE(2)
	STORE(3)
}

VECTOR static void one_row(float *dst, const float *a0, const float *b, long k, long n) {
	const float *b0 = b, *b1 = b + k, *b2 = b + 2 * k, *b3 = b + 3 * k;
	ZERO(0);
#pragma omp simd reduction(+ : ALL(0))
	for (long l = 0; l < k; l++) {
		FOUR(0)
	}
	STORE(0)
}

VECTOR static float dot(const float *a, const float *b, long k) {
	float s = 0.0f;
#pragma omp simd reduction(+ : s)
	for (long l = 0; l < k; l++) s += a[l] * b[l];
	return s;
}

void korr_thin_product(float *dst, const float *a, const float *b, long m, long k, long n) {
	long j = 0;
	for (; j + 4 <= n; j += 4, b += 4 * k) {
		long i = 0;
		for (; i + 4 <= m; i += 4) four_rows(dst + i * n + j, a + i * k, b, k, n);
		for (; i < m; i++) one_row(dst + i * n + j, a + i * k, b, k, n);
	}
	for (; j < n; j++, b += k)
		for (long i = 0; i < m; i++) dst[i * n + j] += dot(a + i * k, b, k);
}
