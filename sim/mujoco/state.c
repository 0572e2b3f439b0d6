//go:build mujoco

// Snapshots: everything that the next step depends on, as one array of doubles.
#include "shim.h"

typedef struct { double* to; const double* from; int n; } cursor;

static void take(cursor* c, double* field, int n) {
  if (c->to) { mju_copy(c->to + c->n, field, n); } else if (c->from) { mju_copy(field, c->from + c->n, n); }
  c->n += n;
}
static void take_int(cursor* c, int* field) {
  double v = *field;
  take(c, &v, 1);
  if (c->from) *field = (int)v;
}

static void walk(korr_sim* s, cursor* c) {
  mjModel* m = s->m;
  mjData* d = s->d;
  take(c, &d->time, 1);
  int q = c->n;
  take(c, d->qpos, m->nq);
  for (int i = 0; i < s->npart && c->to; i++) mju_copy4(c->to + q + s->qadr[i] + 3, s->raw + 4 * i);
  take(c, d->qvel, m->nv);
  take(c, d->qacc_warmstart, m->nv);
  take(c, m->body_pos + 3 * s->obstacle, 3);
  take(c, s->qdes, 7);
  take(c, s->target_pos, 3);
  take(c, s->target_quat, 4);
  take(c, &s->finger, 1);
  take(c, &s->grip, 1);
  take(c, s->lead, 7);
  take_int(c, &s->tick);
  for (int i = 0; i < s->npeg; i++) {
    korr_peg* p = &s->peg[i];
    take_int(c, &p->engaged);
    take_int(c, &p->at);
    take(c, &p->depth0, 1);
    take(c, m->body_pos + 3 * p->nut, 3);
    take(c, m->jnt_range + 2 * p->hinge, 2);
    take(c, m->eq_data + mjNEQDATA * p->weld, mjNEQDATA);
    int on = p->engaged;
    for (int g = 0; g < p->ngeom; g++) {
      m->geom_contype[p->geom[g]] = on ? 0 : 8;
      m->geom_conaffinity[p->geom[g]] = on ? 0 : 13;
    }
#if mjVERSION_HEADER >= 300
    d->eq_active[p->weld] = on;
#else
    m->eq_active[p->weld] = on;
#endif
  }
}

int korr_state_size(const korr_sim* s) {
  cursor c = {0, 0, 0};
  walk((korr_sim*)s, &c);
  return c.n;
}
void korr_get_state(const korr_sim* s, double* out) {
  cursor c = {out, 0, 0};
  walk((korr_sim*)s, &c);
}
void korr_set_state(korr_sim* s, const double* in) {
  cursor c = {0, in, 0};
  mj_resetData(s->m, s->d);
  walk(s, &c);
  double target_pos[3], target_quat[4];
  mju_copy3(target_pos, s->target_pos);
  mju_copy4(target_quat, s->target_quat);
  double warm[KORR_MAX_DOF];
  mju_copy(warm, s->d->qacc_warmstart, s->m->nv);
  korr_forward(s);
  mju_copy(s->d->qacc_warmstart, warm, s->m->nv);
  mju_copy3(s->target_pos, target_pos);
  mju_copy4(s->target_quat, target_quat);
}
