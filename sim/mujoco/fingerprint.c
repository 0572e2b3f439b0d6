//go:build mujoco

// A hash of everything in a compiled model that moves bodies; cameras, lights, colours and shapes that never collide
// are left out.
#include "shim.h"
#include <stdint.h>

static uint64_t mix(uint64_t h, const void* p, size_t n) {
  const unsigned char* b = p;
  for (size_t i = 0; i < n; i++) h = (h ^ b[i]) * 0x100000001b3ull;
  return h;
}

uint64_t korr_physics_hash(const korr_sim* s) {
  const mjModel* m = s->m;
  uint64_t h = 0xcbf29ce484222325ull;
#define ADD(field, count) h = mix(h, m->field, sizeof(m->field[0]) * (size_t)(count))
  h = mix(h, &m->opt.timestep, sizeof m->opt.timestep);
  h = mix(h, m->opt.gravity, sizeof m->opt.gravity);
  h = mix(h, &m->opt.impratio, sizeof m->opt.impratio);
  h = mix(h, &m->opt.tolerance, sizeof m->opt.tolerance);
  int choice[] = {m->opt.integrator, m->opt.cone, m->opt.solver, m->opt.iterations, m->opt.noslip_iterations, m->opt.jacobian, m->opt.disableflags, m->opt.enableflags};
  h = mix(h, choice, sizeof choice);
  ADD(body_mass, m->nbody); ADD(body_inertia, 3 * m->nbody); ADD(body_ipos, 3 * m->nbody); ADD(body_iquat, 4 * m->nbody);
  ADD(body_pos, 3 * m->nbody); ADD(body_quat, 4 * m->nbody); ADD(body_parentid, m->nbody);
  ADD(jnt_type, m->njnt); ADD(jnt_pos, 3 * m->njnt); ADD(jnt_axis, 3 * m->njnt); ADD(jnt_range, 2 * m->njnt);
  ADD(dof_armature, m->nv); ADD(dof_damping, m->nv); ADD(dof_frictionloss, m->nv); ADD(qpos0, m->nq);
  ADD(eq_type, m->neq); ADD(eq_data, mjNEQDATA * m->neq); ADD(eq_solref, mjNREF * m->neq); ADD(eq_solimp, mjNIMP * m->neq);
  ADD(actuator_gainprm, mjNGAIN * m->nu); ADD(actuator_biasprm, mjNBIAS * m->nu);
  ADD(actuator_forcerange, 2 * m->nu); ADD(actuator_ctrlrange, 2 * m->nu);
#undef ADD
  for (int g = 0; g < m->ngeom; g++) {
    if (!m->geom_contype[g] && !m->geom_conaffinity[g]) continue;
#define ADD(field, per) h = mix(h, m->field + (per) * g, sizeof(m->field[0]) * (per))
    ADD(geom_type, 1); ADD(geom_contype, 1); ADD(geom_conaffinity, 1); ADD(geom_condim, 1); ADD(geom_priority, 1);
    ADD(geom_bodyid, 1); ADD(geom_size, 3); ADD(geom_pos, 3); ADD(geom_quat, 4); ADD(geom_friction, 3);
    ADD(geom_solref, mjNREF); ADD(geom_solimp, mjNIMP); ADD(geom_margin, 1);
#undef ADD
  }
  return h;
}
