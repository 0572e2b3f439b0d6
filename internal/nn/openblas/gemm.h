#ifndef KORR_GEMM_H
#define KORR_GEMM_H

// Whether korr_gemm runs here: it needs AVX-512.
int korr_gemm_runs(void);

// c = op(a) op(b) + beta c for c [m, n], rows ldc apart. Element (i, l) of op(a) is a[i ai + l al], element (l, j) of op(b)
// is b[l bl + j bj], where bl or bj is 1. With beta = 0 c is not read.
void korr_gemm(long m, long n, long k, const float *a, long ai, long al, const float *b, long bl, long bj, float beta, float *c, long ldc);

#endif
