// Element loops of package nn; see nn.Kernels for what each computes.
#ifndef KORR_KERNELS_H
#define KORR_KERNELS_H

void korr_relu(float *x, long n);
void korr_relu_grad(float *g, const float *y, long n);
void korr_norm_relu(float *y, float *h, float *rstd, long rows, long width);
void korr_norm_relu_grad(float *g, const float *h, const float *rstd, long rows, long width);
void korr_add_column_sums(float *dst, const float *x, long rows, long width);
void korr_adamw(float *p, const float *g, float *m, float *v, long n, float b1, float b2,
	float rate, float inv_root, float eps, float decay);
void korr_lerp(float *dst, const float *src, long n, float t);

#endif
