//go:build mujoco

// What the benchmark needs: the engine's inputs on a tape, so that the engine alone can repeat the same states, and times.
#define _POSIX_C_SOURCE 199309L
#include "tape.h"
#include <time.h>

double korr_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

enum { ARM = 7, ACTUATORS = 9 };

int korr_tape_width(const korr_sim* s) { return ACTUATORS + ARM + 6 * s->npart; }

void korr_tape_write(korr_sim* s) {
  double* to = s->tape;
  mju_copy(to, s->d->ctrl, ACTUATORS);
  mju_copy(to += ACTUATORS, s->d->qfrc_applied, ARM);
  to += ARM;
  for (int p = 0; p < s->npart; p++, to += 6) mju_copy(to, s->d->xfrc_applied + 6 * s->body[p], 6);
  s->tape = to;
}

void korr_bare(korr_sim* s, const double* from, int n, int cull) {
  mjData* d = s->d;
  korr_cull_off(&s->cull, s->m);
  for (int i = 0; i < n; i++) {
    mju_copy(d->ctrl, from, ACTUATORS);
    mju_copy(d->qfrc_applied, from += ACTUATORS, ARM);
    from += ARM;
    for (int p = 0; p < s->npart; p++, from += 6) mju_copy(d->xfrc_applied + 6 * s->body[p], from, 6);
    if (cull && i) korr_cull_step(&s->cull, s->m, d);
    mj_step(s->m, d);
  }
}

static mjtNum microseconds(void) { return 1e6 * korr_now(); }

void korr_engine_timers(int on) { mjcb_time = on ? microseconds : 0; }
