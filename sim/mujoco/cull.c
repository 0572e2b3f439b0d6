//go:build mujoco

// A broad phase in front of MuJoCo's: body pairs whose boxes are apart are excluded for one physics step. MuJoCo 2 would test
// every geometry of one body against every one of the other, most of a step's time where parts are made of many. Margins
// cover the motion of the step, so that the contacts, and with them the episode, are the same bit by bit.
#include "cull.h"
#include <math.h>
#include <string.h>

static const double slack = 0.01;  // m, what the tool, which is not looked at, may move in a physics step

// The box around a body's geometry that can touch something, in the body's frame.
static int body_box(const mjModel* m, int body, double centre[3], double half[3]) {
  double lo[3] = {1e9, 1e9, 1e9}, hi[3] = {-1e9, -1e9, -1e9};
  for (int g = m->body_geomadr[body]; g < m->body_geomadr[body] + m->body_geomnum[body]; g++) {
    if (!m->geom_contype[g] && !m->geom_conaffinity[g]) continue;
    const double* s = m->geom_size + 3 * g;
    double h[3] = {s[0], s[1], s[2]}, R[9];
    switch (m->geom_type[g]) {  // half extents along the geometry's own axes; a capsule's or cylinder's axis is its z
      case mjGEOM_SPHERE: h[1] = h[2] = s[0]; break;
      case mjGEOM_CAPSULE: h[1] = s[0]; h[2] = s[0] + s[1]; break;
      case mjGEOM_CYLINDER: h[1] = s[0]; h[2] = s[1]; break;
      case mjGEOM_ELLIPSOID: case mjGEOM_BOX: break;
      default: return -1;
    }
    mju_quat2Mat(R, m->geom_quat + 4 * g);
    for (int k = 0; k < 3; k++) {
      double reach = fabs(R[3 * k]) * h[0] + fabs(R[3 * k + 1]) * h[1] + fabs(R[3 * k + 2]) * h[2];
      lo[k] = mju_min(lo[k], m->geom_pos[3 * g + k] - reach);
      hi[k] = mju_max(hi[k], m->geom_pos[3 * g + k] + reach);
    }
  }
  for (int k = 0; k < 3; k++) {
    centre[k] = (lo[k] + hi[k]) / 2;
    half[k] = (hi[k] - lo[k]) / 2;
  }
  return lo[0] > hi[0] ? -1 : 0;
}

static int find_box(korr_cull* c, const mjModel* m, int body) {
  for (int i = 0; i < c->nbox; i++)
    if (c->box[i].body == body) return i;
  if (c->nbox == KORR_CULL_BOXES || body_box(m, body, c->box[c->nbox].centre, c->box[c->nbox].half)) return -1;
  c->box[c->nbox].body = body;
  c->box[c->nbox].dof = m->body_jntnum[body] == 1 && m->jnt_type[m->body_jntadr[body]] == mjJNT_FREE ? m->body_dofadr[body] : -1;
  return c->nbox++;
}

void korr_cull_init(korr_cull* c, mjModel* m) {
  memset(c, 0, sizeof *c);
  c->declared = m->nexclude;
#if mjVERSION_HEADER < 300
  for (int i = 0; i < m->nexclude; i++) {
    if (c->npair == KORR_CULL_PAIRS) break;
    int sig = m->exclude_signature[i], a = find_box(c, m, (sig >> 16) - 1), b = find_box(c, m, (sig & 0xffff) - 1);
    if (a < 0 || b < 0 || (i && sig < c->pair[c->npair - 1].signature)) break;
    c->pair[c->npair].a = a;
    c->pair[c->npair].b = b;
    c->pair[c->npair++].signature = sig;
  }
#endif
  if (c->npair != m->nexclude) c->npair = 0;  // a model that this does not understand is left to the engine
  m->nexclude = 0;
}

void korr_cull_off(const korr_cull* c, mjModel* m) {
  (void)c;
  m->nexclude = 0;
}

// World boxes from the newest poses, widened by what the coming step moves them.
static void place(korr_cull* c, const mjModel* m, const mjData* d) {
  for (int i = 0; i < c->nbox; i++) {
    korr_cull_box* x = &c->box[i];
    const double* R = d->xmat + 9 * x->body;
    double at[3], reach = slack;
    if (x->dof >= 0) {
      const double* v = d->qvel + x->dof;
      reach += m->opt.timestep * (mju_norm3(v) + mju_norm3(v + 3) * (mju_norm3(x->half) + mju_norm3(x->centre)));
    }
    mju_rotVecMat(at, x->centre, R);
    for (int k = 0; k < 3; k++) {
      double h = fabs(R[3 * k]) * x->half[0] + fabs(R[3 * k + 1]) * x->half[1] + fabs(R[3 * k + 2]) * x->half[2] + reach;
      double p = d->xpos[3 * x->body + k] + at[k];
      x->lo[k] = p - h;
      x->hi[k] = p + h;
    }
  }
}

void korr_cull_step(korr_cull* c, mjModel* m, const mjData* d) {
  if (!c->npair) return;
  place(c, m, d);
  int last = 0;  // entries stay sorted: one that is not in force repeats the one before
  for (int i = 0; i < c->npair; i++) {
    const korr_cull_box *a = &c->box[c->pair[i].a], *b = &c->box[c->pair[i].b];
    int apart = 0;
    for (int k = 0; k < 3; k++) apart |= a->lo[k] > b->hi[k] || b->lo[k] > a->hi[k];
    if (apart) last = c->pair[i].signature;
    m->exclude_signature[i] = last;
  }
  m->nexclude = c->npair;
}
