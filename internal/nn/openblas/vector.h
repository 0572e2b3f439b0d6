#ifndef KORR_VECTOR_H
#define KORR_VECTOR_H

// The loader picks the widest version the processor runs.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VECTOR
#endif

#endif
