//go:build mujoco

// Physics drawn for an episode: factors on a pristine copy of the model.
#include "domain.h"
#include <math.h>

mjModel* korr_domain_base(const korr_sim* s) {
  int hidden = s->m->nexclude;
  s->m->nexclude = s->cull.declared;  // a model is copied by its sizes, and the broad phase hides this one
  mjModel* base = mj_copyModel(NULL, s->m);
  s->m->nexclude = hidden;
  return base;
}
void korr_domain_free(mjModel* base) { mj_deleteModel(base); }

// Everything that a factor changes or that MuJoCo derives from it, and nothing that an episode's state lives in.
static void take(mjModel* m, const mjModel* from) {
  mju_copy(m->body_mass, from->body_mass, m->nbody);
  mju_copy(m->body_subtreemass, from->body_subtreemass, m->nbody);
  mju_copy(m->body_inertia, from->body_inertia, 3 * m->nbody);
  mju_copy(m->body_invweight0, from->body_invweight0, 2 * m->nbody);
  mju_copy(m->dof_invweight0, from->dof_invweight0, m->nv);
  mju_copy(m->dof_M0, from->dof_M0, m->nv);
  mju_copy(m->actuator_acc0, from->actuator_acc0, m->nu);
  mju_copy(m->actuator_gainprm, from->actuator_gainprm, mjNGAIN * m->nu);
  mju_copy(m->actuator_biasprm, from->actuator_biasprm, mjNBIAS * m->nu);
  mju_copy(m->geom_friction, from->geom_friction, 3 * m->ngeom);
}

void korr_domain_apply(korr_sim* s, const mjModel* base, const double* mass, const double* friction, double gain) {
  if (!mass) {
    take(s->m, base);
    return;
  }
  mjModel* m = mj_copyModel(NULL, base);
  for (int i = 0; i < s->npart; i++) {
    m->body_mass[s->body[i]] *= mass[i];
    mju_scl3(m->body_inertia + 3 * s->body[i], m->body_inertia + 3 * s->body[i], mass[i]);
  }
  for (int g = 0; g < m->ngeom; g++) {
    int b = m->geom_bodyid[g];
    for (int i = 0; i < s->npart; i++)
      if (b == s->body[i]) m->geom_friction[3 * g] *= friction[i];
    if (b == 0 || b == s->obstacle) m->geom_friction[3 * g] *= friction[s->npart];
  }
  for (int k = 0; k < 7; k++) {
    m->actuator_gainprm[mjNGAIN * k] *= gain;
    m->actuator_biasprm[mjNBIAS * k + 1] *= gain;
    m->actuator_biasprm[mjNBIAS * k + 2] *= sqrt(gain);
  }
  mj_setConst(m, s->d);
  take(s->m, m);
  mj_deleteModel(m);
}

static int loose(const korr_sim* s, int geom) {
  int b = s->m->geom_bodyid[geom];
  if (b == s->obstacle) return 1;
  for (int i = 0; i < s->npart; i++)
    if (b == s->body[i]) return 1;
  return 0;
}

double korr_domain_overlap(const korr_sim* s) {
  double deepest = 0;
  for (int c = 0; c < s->d->ncon; c++) {
    const mjContact* at = s->d->contact + c;
    if (-at->dist > deepest && loose(s, at->geom1) && loose(s, at->geom2)) deepest = -at->dist;
  }
  return deepest;
}
