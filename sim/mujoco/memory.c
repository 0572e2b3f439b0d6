//go:build mujoco

// What an environment holds of the engine, and giving it back.
#include "shim.h"
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

size_t korr_memory(const korr_sim* s) {
  return sizeof *s + sizeof(mjModel) + s->m->nbuffer + sizeof(mjData) + s->d->nbuffer + sizeof(mjtNum) * s->d->nstack;
}

// Environments are opened and closed on changing threads. glibc keeps what each freed for itself, so that the process would grow
// several times over what the open ones hold: it goes back to the system.
void korr_free(korr_sim* s) {
  if (s->d) mj_deleteData(s->d);
  mj_deleteModel(s->m);
  free(s);
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}
