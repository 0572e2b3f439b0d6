//go:build mujoco

#include "shim.h"
#include "tape.h"
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __thread jmp_buf* trap;
static __thread char message[512];

static void on_error(const char* msg) {
  snprintf(message, sizeof message, "%s", msg);
  if (trap) longjmp(*trap, 1);
  fprintf(stderr, "mujoco: %s\n", msg);
  abort();
}
static void on_warning(const char* msg) { snprintf(message, sizeof message, "%s", msg); }

void korr_install_handlers(void) {
  mju_user_error = on_error;
  mju_user_warning = on_warning;
}

static mjModel* load(const char* xml, int len, char* err, int errsz) {
  mjVFS* vfs = malloc(sizeof(mjVFS));
  if (!vfs) { snprintf(err, errsz, "out of memory"); return NULL; }
  mj_defaultVFS(vfs);
#if mjVERSION_HEADER >= 300
  mj_addBufferVFS(vfs, "scene.xml", xml, len);
#else
  mj_makeEmptyFileVFS(vfs, "scene.xml", len);
  memcpy(vfs->filedata[mj_findFileVFS(vfs, "scene.xml")], xml, len);
#endif
  mjModel* m = mj_loadXML("scene.xml", vfs, err, errsz);
  mj_deleteVFS(vfs);
  free(vfs);
  return m;
}

korr_sim* korr_new(const char* xml, int len, char* err, int errsz) {
  jmp_buf here;
  trap = &here;
  if (setjmp(here)) { trap = NULL; snprintf(err, errsz, "%s", message); return NULL; }
  mjModel* m = load(xml, len, err, errsz);
  korr_sim* s = m ? calloc(1, sizeof *s) : NULL;
  if (s) {
    s->m = m;
    korr_cull_init(&s->cull, m);
    s->d = mj_makeData(m);
    s->tool = mj_name2id(m, mjOBJ_SITE, "tool");
    s->obstacle = mj_name2id(m, mjOBJ_BODY, "obstacle");
  }
  trap = NULL;
  if (!m) return NULL;
  if (!s || !s->d || s->tool < 0 || s->obstacle < 0 || m->nu != 9 || m->nv > KORR_MAX_DOF) {
    snprintf(err, errsz, "model needs a site \"tool\", a body \"obstacle\", nine actuators and at most %d degrees of freedom", KORR_MAX_DOF);
    if (s) korr_free(s); else mj_deleteModel(m);
    return NULL;
  }
  return s;
}

int korr_add_part(korr_sim* s, const char* body) {
  int b = mj_name2id(s->m, mjOBJ_BODY, body);
  if (b < 0 || s->npart >= KORR_MAX_PARTS || s->m->body_jntnum[b] != 1) return -1;
  int j = s->m->body_jntadr[b];
  if (s->m->jnt_type[j] != mjJNT_FREE) return -1;
  s->body[s->npart] = b;
  s->qadr[s->npart] = s->m->jnt_qposadr[j];
  s->vadr[s->npart] = s->m->jnt_dofadr[j];
  return s->npart++;
}

int korr_set_peg_ids(korr_sim* s, korr_peg* p, const char* part) {
  char name[128];
  mjModel* m = s->m;
  snprintf(name, sizeof name, "%s_nut", part);
  p->nut = mj_name2id(m, mjOBJ_BODY, name);
  snprintf(name, sizeof name, "%s_slide", part);
  p->slide = mj_name2id(m, mjOBJ_JOINT, name);
  snprintf(name, sizeof name, "%s_hinge", part);
  p->hinge = mj_name2id(m, mjOBJ_JOINT, name);
  snprintf(name, sizeof name, "%s_thread", part);
  p->weld = mj_name2id(m, mjOBJ_EQUALITY, name);
  for (p->ngeom = 0; p->ngeom < KORR_MAX_PEG_GEOMS; p->ngeom++) {
    snprintf(name, sizeof name, "%s_peg%d", part, p->ngeom);
    int g = mj_name2id(m, mjOBJ_GEOM, name);
    if (g < 0) break;
    p->geom[p->ngeom] = g;
  }
  return p->nut < 0 || p->slide < 0 || p->hinge < 0 || p->weld < 0 || p->ngeom == 0 ? -1 : 0;
}

static void peg_collide(korr_sim* s, korr_peg* p, int on) {
  for (int i = 0; i < p->ngeom; i++) {
    s->m->geom_contype[p->geom[i]] = on ? 8 : 0;
    s->m->geom_conaffinity[p->geom[i]] = on ? 13 : 0;
  }
}

static void set_weld(korr_sim* s, korr_peg* p, int on) {
#if mjVERSION_HEADER >= 300
  s->d->eq_active[p->weld] = on;
#else
  s->m->eq_active[p->weld] = on;
#endif
}

static void park_nut(korr_sim* s, korr_peg* p) {
  mjModel* m = s->m;
  int js[2] = {p->slide, p->hinge};
  for (int i = 0; i < 2; i++) {
    s->d->qpos[m->jnt_qposadr[js[i]]] = 0;
    s->d->qvel[m->jnt_dofadr[js[i]]] = 0;
  }
}

void korr_reset(korr_sim* s, const double* q7, const double* obstacle) {
  mj_resetData(s->m, s->d);
  for (int k = 0; k < 7; k++) s->d->qpos[k] = s->qdes[k] = q7[k];
  s->d->qpos[7] = s->d->qpos[8] = s->finger = s->grip = s->open_width / 2;
  mju_copy3(s->m->body_pos + 3 * s->obstacle, obstacle);
  for (int i = 0; i < s->npeg; i++) {
    s->peg[i].engaged = s->peg[i].at = 0;
    s->peg[i].depth0 = 0;
    set_weld(s, &s->peg[i], 0);
    peg_collide(s, &s->peg[i], 1);
    mju_copy3(s->m->body_pos + 3 * s->peg[i].nut, s->peg[i].mouth[0]);
  }
  s->tick = s->has_push = 0;
  mju_zero(s->lead, 7);
}

void korr_set_part(korr_sim* s, int part, const double* pos, const double* quat) {
  mju_copy3(s->d->qpos + s->qadr[part], pos);
  mju_copy4(s->d->qpos + s->qadr[part] + 3, quat);
}

static void outputs(korr_sim* s) {
  mjModel* m = s->m;
  mjData* d = s->d;
  mju_copy3(s->tool_pos, d->site_xpos + 3 * s->tool);
  mju_copy(s->tool_mat, d->site_xmat + 9 * s->tool, 9);
  double v[6];
  mj_objectVelocity(m, d, mjOBJ_SITE, s->tool, v, 0);
  mju_copy3(s->tool_vel, v + 3);
  mju_copy3(s->tool_vel + 3, v);
  mju_copy(s->fingers, d->qpos + 7, 2);
  for (int i = 0; i <= s->npart; i++) {
    int b = i < s->npart ? s->body[i] : s->obstacle;
    mju_copy3(s->pose + 7 * i, d->xpos + 3 * b);
    mju_copy4(s->pose + 7 * i + 3, d->xquat + 4 * b);
  }
  mju_copy(s->q, d->qpos, 7);
  mju_copy(s->dq, d->qvel, 7);
  mju_add(s->tau, d->qfrc_actuator, d->qfrc_applied, 7);
}

// Normalising once more would change a bit, so the quaternions that the engine is about to normalise are kept.
static void step1(korr_sim* s) {
  for (int i = 0; i < s->npart; i++) mju_copy4(s->raw + 4 * i, s->d->qpos + s->qadr[i] + 3);
  mj_step1(s->m, s->d);
}

void korr_forward(korr_sim* s) {
  korr_cull_off(&s->cull, s->m);
  step1(s);
  outputs(s);
  mju_copy3(s->target_pos, s->tool_pos);
  mju_mat2Quat(s->target_quat, s->tool_mat);
}

void korr_peg_state(const korr_sim* s, int peg, double out[6], int* hole) {
  const korr_peg* p = &s->peg[peg];
  const mjData* d = s->d;
  const double* R = d->xmat + 9 * s->body[p->receiver];
  const double* P = d->xmat + 9 * s->body[p->part];
  double tip[3], l[3], best = 1e9, Rh[9], Pp[9];
  mju_rotVecMat(tip, p->tip, P);
  mju_addTo3(tip, d->xpos + 3 * s->body[p->part]);
  if (p->turned) {
    mju_mulMatMat(Rh, R, p->hole_mat, 3, 3, 3);
    mju_mulMatMat(Pp, P, p->peg_mat, 3, 3, 3);
    R = Rh;
    P = Pp;
  }
  mju_subFrom3(tip, d->xpos + 3 * s->body[p->receiver]);
  mju_rotVecMatT(l, tip, R);
  int at = p->at;
  for (int i = 0; i < p->nhole && !p->engaged; i++) {
    double dist = hypot(l[0] - p->hole[i][0], l[2] - p->hole[i][2]);
    if (dist < best) { best = dist; at = i; }
  }
  double x = l[0] - p->hole[at][0], z = l[2] - p->hole[at][2];
  double c = R[1] * P[1] + R[4] * P[4] + R[7] * P[7];
  double px[3] = {P[0], P[3], P[6]}, a[3];
  mju_rotVecMatT(a, px, R);
  out[0] = p->hole[at][1] - l[1];
  out[1] = hypot(x, z);
  out[2] = acos(mju_clip(c, -1, 1));
  out[3] = atan2(-a[2], a[0]);  // about +y
  out[4] = x;
  out[5] = z;
  if (hole) *hole = at;
}

// Threads take hold when the peg is deep, central and straight enough; unscrewing past the first thread frees it.
static const double lead = 0.0035, deepest = 0.008, lateral = 0.0015, straight = 0.08, released = 0.003;

static void thread_update(korr_sim* s, int i) {
  korr_peg* p = &s->peg[i];
  mjModel* m = s->m;
  mjData* d = s->d;
  double st[6];
  int at;
  korr_peg_state(s, i, st, &at);
  int aligned = st[0] > lead && st[0] < deepest && st[1] < lateral && st[2] < straight;
  if (!p->engaged && aligned) {
    p->engaged = 1;
    p->at = at;
    p->depth0 = st[0];
    peg_collide(s, p, 0);
    park_nut(s, p);
    mju_copy3(m->body_pos + 3 * p->nut, p->mouth[at]);
    double turn = 2 * mjPI / p->pitch;
    m->jnt_range[2 * p->hinge] = -(p->seat - st[0]) * turn;
    m->jnt_range[2 * p->hinge + 1] = (st[0] - released) * turn + 1;
    double* rel = m->eq_data + mjNEQDATA * p->weld + 3;  // after the anchor: pose of the male part in the nut frame: on the axis, yaw kept
    for (int k = 0; k < 3; k++) rel[k] = -p->tip[k];
    if (p->turned) {
      double tip[3];
      mju_rotVecMatT(tip, p->tip, p->peg_mat);
      mju_scl3(rel, tip, -1);
    }
    rel[1] -= st[0];
    rel[3] = cos(st[3] / 2); rel[4] = 0; rel[5] = sin(st[3] / 2); rel[6] = 0;
    if (p->turned) {
      double yaw[4];
      mju_copy4(yaw, rel + 3);
      mju_mulQuat(rel + 3, yaw, p->peg_inv);
    }
    set_weld(s, p, 1);
  } else if (p->engaged && d->qpos[m->jnt_qposadr[p->hinge]] > (p->depth0 - released) * 2 * mjPI / p->pitch) {
    p->engaged = 0;
    set_weld(s, p, 0);
    peg_collide(s, p, 1);
    park_nut(s, p);
  }
}

static void solve6(const double A[36], double x[6]) {
  double B[36];
  memcpy(B, A, sizeof B);
  mju_cholFactor(B, 6, 1e-12);
  mju_cholSolve(x, B, x, 6);
}

// Damped least squares on the site Jacobian (lambda^2 = 1e-4) with a nullspace pull toward the rest pose.
static void differential_ik(korr_sim* s) {
  mjModel* m = s->m;
  mjData* d = s->d;
  double jp[3 * KORR_MAX_DOF], jr[3 * KORR_MAX_DOF], J[42], e[6], q[4], inv[4], dq[4], A[36];
  mj_jacSite(m, d, jp, jr, s->tool);
  for (int r = 0; r < 3; r++)
    for (int c = 0; c < 7; c++) { J[r * 7 + c] = jp[r * m->nv + c]; J[(r + 3) * 7 + c] = jr[r * m->nv + c]; }
  mju_sub3(e, s->target_pos, d->site_xpos + 3 * s->tool);
  mju_mat2Quat(q, d->site_xmat + 9 * s->tool);
  mju_negQuat(inv, q);
  mju_mulQuat(dq, s->target_quat, inv);
  if (dq[0] < 0) mju_scl(dq, dq, -1, 4);
  mju_quat2Vel(e + 3, dq, 1);
  double n = mju_norm3(e);
  if (n > 0.06) mju_scl3(e, e, 0.06 / n);
  n = mju_norm3(e + 3);
  if (n > 0.3) mju_scl3(e + 3, e + 3, 0.3 / n);
  mju_mulMatMatT(A, J, J, 6, 7, 6);
  for (int i = 0; i < 6; i++) A[7 * i] += 1e-4;
  double pull[7], w[6];
  for (int k = 0; k < 7; k++) pull[k] = 0.06 * (s->rest[k] - d->qpos[k]);
  mju_mulMatVec(w, J, pull, 6, 7);
  solve6(A, e);
  solve6(A, w);
  for (int k = 0; k < 7; k++) {
    double dq_k = pull[k];
    for (int i = 0; i < 6; i++) dq_k += J[i * 7 + k] * (0.5 * e[i] - w[i]);
    double want = d->qpos[k] + mju_clip(2 * dq_k, -0.25, 0.25);
    s->qdes[k] = mju_clip(want, m->jnt_range[2 * k] + 0.02, m->jnt_range[2 * k + 1] - 0.02);
  }
}

// A joint's servo is led no further ahead than what drives the joint at its velocity limit, and that lead grows no faster
// than the joint may accelerate; braking takes what it takes. Servo and gravity compensation together stay within the
// torque limit. The lead is short of the velocity limit because joints push each other.
static void drive_joint(korr_sim* s, int k) {
  static const double share = 0.85;
  const mjModel* m = s->m;
  mjData* d = s->d;
  double kp = m->actuator_gainprm[mjNGAIN * k], kd = -m->actuator_biasprm[mjNBIAS * k + 2], limit = s->torque[k];
  double per_speed = (kd + m->dof_damping[k]) / kp, most = share * s->speed[k] * per_speed;
  double rise = s->accel[k] * m->opt.timestep * per_speed, lead = s->lead[k];
  lead = mju_clip(s->qdes[k] - d->qpos[k], mju_min(lead, 0) - rise, mju_max(lead, 0) + rise);
  lead = s->lead[k] = mju_clip(lead, -most, most);
  double servo = mju_clip(kp * lead - kd * d->qvel[k], -limit, limit);
  d->ctrl[k] = d->qpos[k] + lead;
  d->qfrc_applied[k] = mju_clip(servo + d->qfrc_bias[k], -limit, limit) - servo;
}

// The fingers move at a constant speed and press with a constant force, whatever lies between them: their servos are led
// at that speed, and no further ahead than that force takes. They let go at once.
static void drive_fingers(korr_sim* s) {
  const mjModel* m = s->m;
  double q = (s->d->qpos[7] + s->d->qpos[8]) / 2, step = s->grip_speed * m->opt.timestep;
  double lead = s->grip_force / m->actuator_gainprm[mjNGAIN * 7];
  double to = s->grip + mju_clip(s->finger - s->grip, -step, step);
  s->grip = mju_max(0, mju_clip(to, s->finger < q ? q - lead : q, q + lead));
  s->d->ctrl[7] = s->d->ctrl[8] = s->grip;
}

static void control(korr_sim* s) {
  if (s->tick++ % 5 == 0) differential_ik(s);
  for (int k = 0; k < 7; k++) drive_joint(s, k);
  drive_fingers(s);
}

static int warned(const mjData* d) {
  static const int bad[] = {mjWARN_BADQPOS, mjWARN_BADQVEL, mjWARN_BADQACC, mjWARN_CNSTRFULL, mjWARN_CONTACTFULL};
  for (int i = 0; i < 5; i++) if (d->warning[bad[i]].number) return bad[i] + 1;
  return 0;
}

static void note_deepest(korr_sim* s) {
  for (int c = 0; c < s->d->ncon; c++)
    if (-s->d->contact[c].dist > s->max_penetration) {
      s->max_penetration = -s->d->contact[c].dist;
      s->deepest[0] = s->d->contact[c].geom1;
      s->deepest[1] = s->d->contact[c].geom2;
    }
}

// spent adds the time since *at to a phase, when anybody asks for it.
static void spent(korr_sim* s, int phase, double* at) {
  if (!s->spent) return;
  double now = korr_now();
  s->spent[phase] += now - *at;
  *at = now;
}

static void substep(korr_sim* s, int i) {
  int pushing = s->has_push && i < s->push_substeps;
  double at = s->spent ? korr_now() : 0;
  control(s);
  if (pushing)
    for (int p = 0; p < s->npart; p++) mju_copy(s->d->xfrc_applied + 6 * s->body[p], s->push + 6 * p, 6);
  if (s->tape) korr_tape_write(s);
  spent(s, KORR_CONTROL, &at);
  mj_step2(s->m, s->d);
  spent(s, KORR_ENGINE, &at);
  if (pushing)
    for (int p = 0; p < s->npart; p++) mju_zero(s->d->xfrc_applied + 6 * s->body[p], 6);
  for (int p = 0; p < s->npeg; p++) thread_update(s, p);
  korr_cull_step(&s->cull, s->m, s->d);
  spent(s, KORR_THREADS, &at);
  step1(s);
  spent(s, KORR_ENGINE, &at);
  note_deepest(s);
  spent(s, KORR_OUTPUTS, &at);
}

int korr_step(korr_sim* s) {
  jmp_buf here;
  trap = &here;
  if (setjmp(here)) {
    trap = NULL;
    snprintf(s->error, sizeof s->error, "%s", message);
    return 1000;
  }
  message[0] = 0;
  s->max_penetration = 0;
  int bad = 0;
  for (int i = 0; i < s->substeps && !bad; i++) {
    substep(s, i);
    bad = warned(s->d);
  }
  if (bad) snprintf(s->error, sizeof s->error, "%s", message);
  trap = NULL;
  s->has_push = 0;
  double at = s->spent ? korr_now() : 0;
  outputs(s);
  spent(s, KORR_OUTPUTS, &at);
  return bad;
}
