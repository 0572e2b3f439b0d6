// Element loops of package nn's convolutional and attentive layers; see
// nn.Kernels for what each computes.
#ifndef KORR_LAYERS_H
#define KORR_LAYERS_H

void korr_mul(float *dst, const float *src, long n);
void korr_mish(float *y, float *d, const float *x, long n);
void korr_silu(float *y, float *d, const float *x, long n);
void korr_affine(float *y, const float *x, const float *w, const float *b, long rows, long width);
void korr_affine_grad(float *g, const float *x, const float *w, float *dw, float *db, long rows, long width);
void korr_group_norm(float *x, float *rstd, long n, long rows, long width, long groups);
void korr_group_norm_grad(float *g, const float *hat, const float *rstd, long n, long rows, long width, long groups);
void korr_fold(float *x, const float *cols, long n, long len, long out, long width, long taps, long stride, long pad);
void korr_thin_product(float *dst, const float *a, const float *b, long m, long k, long n);

#endif
