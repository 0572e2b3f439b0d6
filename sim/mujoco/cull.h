// A broad phase in front of MuJoCo's, see cull.c.
#ifndef KORR_CULL_H
#define KORR_CULL_H
#include <mujoco/mujoco.h>

#define KORR_CULL_BOXES 16
#define KORR_CULL_PAIRS 128

typedef struct {
  int body, dof;                     // dof: of its free joint, or -1
  double centre[3], half[3];         // in the body's frame (m)
  double lo[3], hi[3];               // in the world (m)
} korr_cull_box;

typedef struct {
  int nbox, npair, declared;         // declared: pairs that the model excludes, all of which are taken over
  korr_cull_box box[KORR_CULL_BOXES];
  struct { int a, b, signature; } pair[KORR_CULL_PAIRS];
} korr_cull;

// Takes over the model's <exclude> pairs: they collide as others do, but when they are apart. Engines of version 3 have a
// broad phase of their own.
void korr_cull_init(korr_cull* c, mjModel* m);
// Before a step that ends the last one's positions: decides which pairs are apart. qvel is the velocity that led there.
void korr_cull_step(korr_cull* c, mjModel* m, const mjData* d);
// Before positions that nobody can foresee: every pair may touch.
void korr_cull_off(const korr_cull* c, mjModel* m);
#endif
