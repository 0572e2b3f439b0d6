//go:build openblas

#include "kernels.h"
#include "vector.h"

#include <math.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

// x < 0 is false for NaN, which therefore survives.
VECTOR void korr_relu(float *x, long n) {
#pragma omp simd
	for (long i = 0; i < n; i++) x[i] = x[i] < 0.0f ? 0.0f : x[i];
}

VECTOR void korr_relu_grad(float *g, const float *y, long n) {
#pragma omp simd
	for (long i = 0; i < n; i++) g[i] = y[i] == 0.0f ? 0.0f : g[i];
}

VECTOR void korr_norm_relu(float *y, float *h, float *rstd, long rows, long width) {
	for (long i = 0; i < rows; i++) {
		float *row = h + i * width, *out = y + i * width;
		float mean = 0.0f, sq = 0.0f;
#pragma omp simd reduction(+ : mean)
		for (long j = 0; j < width; j++) mean += row[j];
		mean /= (float)width;
#pragma omp simd reduction(+ : sq)
		for (long j = 0; j < width; j++) sq += (row[j] - mean) * (row[j] - mean);
		const float r = 1.0f / sqrtf(sq / (float)width + 1e-5f);
		rstd[i] = r;
#pragma omp simd
		for (long j = 0; j < width; j++) {
			float v = (row[j] - mean) * r;
			row[j] = v;
			out[j] = v < 0.0f ? 0.0f : v;
		}
	}
}

VECTOR void korr_norm_relu_grad(float *g, const float *h, const float *rstd, long rows, long width) {
	for (long i = 0; i < rows; i++) {
		float *row = g + i * width;
		const float *hat = h + i * width;
		float se = 0.0f, seh = 0.0f;
#pragma omp simd reduction(+ : se, seh)
		for (long j = 0; j < width; j++) {
			float e = hat[j] <= 0.0f ? 0.0f : row[j];
			row[j] = e;
			se += e;
			seh += e * hat[j];
		}
		se /= (float)width;
		seh /= (float)width;
#pragma omp simd
		for (long j = 0; j < width; j++) row[j] = rstd[i] * (row[j] - se - hat[j] * seh);
	}
}

VECTOR void korr_add_column_sums(float *dst, const float *x, long rows, long width) {
	for (long i = 0; i < rows; i++) {
		const float *row = x + i * width;
#pragma omp simd
		for (long j = 0; j < width; j++) dst[j] += row[j];
	}
}

// The compiler does not vectorise sqrtf, which may set errno.
static inline void square_roots(float *x, long n) {
	long i = 0;
#ifdef __SSE2__
	for (; i + 4 <= n; i += 4) _mm_storeu_ps(x + i, _mm_sqrt_ps(_mm_loadu_ps(x + i)));
#endif
	for (; i < n; i++) x[i] = sqrtf(x[i]);
}

#define BLOCK 512

VECTOR void korr_adamw(float *p, const float *g, float *m, float *v, long n, float b1, float b2,
	float rate, float inv_root, float eps, float decay) {
	const float tiny = 1e-20f; // see nn.flush
	float root[BLOCK];
	for (; n > 0; n -= BLOCK, p += BLOCK, g += BLOCK, m += BLOCK, v += BLOCK) {
		const long k = n < BLOCK ? n : BLOCK;
#pragma omp simd
		for (long i = 0; i < k; i++) {
			m[i] = m[i] + (1.0f - b1) * (g[i] - m[i]) + tiny - tiny;
			v[i] = b2 * v[i] + (1.0f - b2) * g[i] * g[i] + tiny - tiny;
			root[i] = v[i];
		}
		square_roots(root, k);
#pragma omp simd
		for (long i = 0; i < k; i++) p[i] = decay * p[i] - rate * m[i] / (root[i] * inv_root + eps);
	}
}

VECTOR void korr_lerp(float *dst, const float *src, long n, float t) {
#pragma omp simd
	for (long i = 0; i < n; i++) dst[i] += t * (src[i] - dst[i]);
}
