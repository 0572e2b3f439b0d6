//go:build openblas

#include "gemm.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

// A tile of the result is ROWS x COLS and stays in registers. COLS columns of b are packed for DEPTH products, which stay
// in the first cache while BLOCK rows of a, from the second, pass by. Rows of a need no packing: an element multiplies a
// whole row of the tile.
enum { ROWS = 8, COLS = 32, DEPTH = 256, BLOCK = 512 };

#define AVX512 __attribute__((target("avx512f")))

// tile computes rows x COLS of c; rows is a constant wherever it is called. left and right say which columns exist.
AVX512 static inline __attribute__((always_inline)) void tile(const int rows, long k, const float *a, long ai, long al,
	const float *pack, float beta, float *c, long ldc, __mmask16 left, __mmask16 right) {
	__m512 l[ROWS], r[ROWS];
#pragma GCC unroll 8
	for (int i = 0; i < rows; i++) l[i] = r[i] = _mm512_setzero_ps();
	for (long p = 0; p < k; p++, a += al, pack += COLS) {
		const __m512 bl = _mm512_load_ps(pack), br = _mm512_load_ps(pack + 16);
#pragma GCC unroll 8
		for (int i = 0; i < rows; i++) {
			const __m512 x = _mm512_set1_ps(a[i * ai]);
			l[i] = _mm512_fmadd_ps(x, bl, l[i]);
			r[i] = _mm512_fmadd_ps(x, br, r[i]);
		}
	}
	const __m512 f = _mm512_set1_ps(beta);
#pragma GCC unroll 8
	for (int i = 0; i < rows; i++, c += ldc) {
		if (beta != 0) {
			l[i] = _mm512_fmadd_ps(f, _mm512_maskz_loadu_ps(left, c), l[i]);
			r[i] = _mm512_fmadd_ps(f, _mm512_maskz_loadu_ps(right, c + 16), r[i]);
		}
		_mm512_mask_storeu_ps(c, left, l[i]);
		_mm512_mask_storeu_ps(c + 16, right, r[i]);
	}
}

AVX512 static void tiles(long m, long k, const float *a, long ai, long al, const float *pack, float beta, float *c, long ldc, long n) {
	const __mmask16 left = n < 16 ? (1u << n) - 1 : 0xffff;
	const __mmask16 right = n <= 16 ? 0 : n < COLS ? (1u << (n - 16)) - 1 : 0xffff;
	for (; m >= ROWS; m -= ROWS, a += ROWS * ai, c += ROWS * ldc) tile(ROWS, k, a, ai, al, pack, beta, c, ldc, left, right);
	switch (m) {
	case 7: tile(7, k, a, ai, al, pack, beta, c, ldc, left, right); break;
	case 6: tile(6, k, a, ai, al, pack, beta, c, ldc, left, right); break;
	case 5: tile(5, k, a, ai, al, pack, beta, c, ldc, left, right); break;
	case 4: tile(4, k, a, ai, al, pack, beta, c, ldc, left, right); break;
	case 3: tile(3, k, a, ai, al, pack, beta, c, ldc, left, right); break;
	case 2: tile(2, k, a, ai, al, pack, beta, c, ldc, left, right); break;
	case 1: tile(1, k, a, ai, al, pack, beta, c, ldc, left, right); break;
	}
}

// pack_rows copies k rows of n <= COLS columns; pack_columns does so from a transposed matrix, in squares of four. What
// is missing is zero.
AVX512 static void pack_rows(float *pack, const float *b, long bl, long k, long n) {
	const __mmask16 left = n < 16 ? (1u << n) - 1 : 0xffff;
	const __mmask16 right = n <= 16 ? 0 : n < COLS ? (1u << (n - 16)) - 1 : 0xffff;
	for (long p = 0; p < k; p++, b += bl, pack += COLS) {
		_mm512_store_ps(pack, _mm512_maskz_loadu_ps(left, b));
		_mm512_store_ps(pack + 16, _mm512_maskz_loadu_ps(right, b + 16));
	}
}

static void pack_columns(float *pack, const float *b, long bj, long k, long n) {
	for (long j = 0; j < COLS; j += 4) {
		long p = 0;
		for (; n - j >= 4 && p + 4 <= k; p += 4) {
			const float *s = b + j * bj + p;
			__m128 x = _mm_loadu_ps(s), y = _mm_loadu_ps(s + bj), z = _mm_loadu_ps(s + 2 * bj), w = _mm_loadu_ps(s + 3 * bj);
			_MM_TRANSPOSE4_PS(x, y, z, w);
			float *d = pack + p * COLS + j;
			_mm_store_ps(d, x);
			_mm_store_ps(d + COLS, y);
			_mm_store_ps(d + 2 * COLS, z);
			_mm_store_ps(d + 3 * COLS, w);
		}
		for (; p < k; p++)
			for (long q = j; q < j + 4; q++) pack[p * COLS + q] = q < n ? b[q * bj + p] : 0;
	}
}

void korr_gemm(long m, long n, long k, const float *a, long ai, long al, const float *b, long bl, long bj, float beta, float *c, long ldc) {
	float pack[DEPTH * COLS] __attribute__((aligned(64)));
	for (long p = 0; p < k; p += DEPTH, beta = 1) {
		const long kp = k - p < DEPTH ? k - p : DEPTH;
		for (long i = 0; i < m; i += BLOCK) {
			const long mi = m - i < BLOCK ? m - i : BLOCK;
			for (long j = 0; j < n; j += COLS) {
				const long nj = n - j < COLS ? n - j : COLS;
				const float *panel = b + p * bl + j * bj;
				if (bj == 1) pack_rows(pack, panel, bl, kp, nj);
				else pack_columns(pack, panel, bj, kp, nj);
				tiles(mi, kp, a + i * ai + p * al, ai, al, pack, beta, c + i * ldc + j, ldc, nj);
			}
		}
	}
}

int korr_gemm_runs(void) { return __builtin_cpu_supports("avx512f"); }

#else

void korr_gemm(long m, long n, long k, const float *a, long ai, long al, const float *b, long bl, long bj, float beta, float *c, long ldc) {}

int korr_gemm_runs(void) { return 0; }

#endif
