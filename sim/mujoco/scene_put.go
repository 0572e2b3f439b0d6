//go:build mujoco

package mujoco

/*
#include "shim.h"

// Moves the arm toward a tool pose by damped least squares, kinematics only, and returns the remaining error (m + rad).
static double korr_scene_reach(korr_sim* s, const double* pos, const double* quat) {
  mjModel* m = s->m;
  mjData* d = s->d;
  double left = 0;
  for (int it = 0; it < 30; it++) {
    mj_kinematics(m, d);
    mj_comPos(m, d);
    double e[6], q[4], inv[4], dq[4], jp[3 * KORR_MAX_DOF], jr[3 * KORR_MAX_DOF], J[42], A[36], pull[7], w[6];
    mju_sub3(e, pos, d->site_xpos + 3 * s->tool);
    mju_mat2Quat(q, d->site_xmat + 9 * s->tool);
    mju_negQuat(inv, q);
    mju_mulQuat(dq, quat, inv);
    if (dq[0] < 0) mju_scl(dq, dq, -1, 4);
    mju_quat2Vel(e + 3, dq, 1);
    left = mju_norm3(e) + mju_norm3(e + 3);
    if (left < 1e-5) break;
    mj_jacSite(m, d, jp, jr, s->tool);
    for (int r = 0; r < 3; r++)
      for (int c = 0; c < 7; c++) { J[r * 7 + c] = jp[r * m->nv + c]; J[(r + 3) * 7 + c] = jr[r * m->nv + c]; }
    mju_mulMatMatT(A, J, J, 6, 7, 6);
    for (int i = 0; i < 6; i++) A[7 * i] += 1e-5;
    mju_cholFactor(A, 6, 1e-12);
    for (int k = 0; k < 7; k++) pull[k] = 0.02 * (s->rest[k] - d->qpos[k]);
    mju_mulMatVec(w, J, pull, 6, 7);
    mju_subFrom(e, w, 6);
    mju_cholSolve(w, A, e, 6);
    for (int k = 0; k < 7; k++) {
      double step = pull[k];
      for (int i = 0; i < 6; i++) step += J[i * 7 + k] * w[i];
      d->qpos[k] = mju_clip(d->qpos[k] + mju_clip(step, -0.3, 0.3), m->jnt_range[2 * k], m->jnt_range[2 * k + 1]);
    }
  }
  return left;
}

static void korr_scene_rest(korr_sim* s) {
  mj_resetData(s->m, s->d);
  for (int k = 0; k < 7; k++) s->d->qpos[k] = s->rest[k];
}

static void korr_scene_place(korr_sim* s, double width, const double* obstacle) {
  s->d->qpos[7] = s->d->qpos[8] = width / 2;
  mju_copy3(s->m->body_pos + 3 * s->obstacle, obstacle);
  mj_kinematics(s->m, s->d);
  s->d->ncon = 0;
}
*/
import "C"

import (
	"fmt"
	"math"

	"korr/internal/geom"
	"korr/internal/layout"
)

// reachError is how far (m + rad) Put leaves the drawn tool from the observed one before it starts over from the rest
// posture.
const reachError = 0.02

// Put shows an observation (Spec.ObsDim values) instead of a simulation: the parts and the gripper stand where the
// observation says, the arm by inverse kinematics from the previous posture, because an observation holds the tool's
// pose but not the joints. There are no contacts. The running episode ends.
func (w *Watch) Put(obs []float32) error {
	e := w.env
	if len(obs) != e.spec.ObsDim {
		return fmt.Errorf("observation has %d values, %s has %d", len(obs), e.spec.Task, e.spec.ObsDim)
	}
	for i, v := range obs {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("observation element %d is %v", i, v)
		}
	}
	e.live = false
	n := len(e.task.Parts)
	for i := range n {
		e.setPart(i, geom.TagFrame.Mul(geom.PoseAt(layout.Part(i).Of(obs))))
	}
	obstacle := geom.TagFrame.Mul(geom.PoseAt(layout.Part(n).Of(obs))).P
	arm := layout.ArmAt(obs)
	q := arm.Tool.Q
	pos := [3]C.double{C.double(obs[0]), C.double(obs[1]), C.double(obs[2])}
	quat := [4]C.double{C.double(q[3]), C.double(q[0]), C.double(q[1]), C.double(q[2])}
	if C.korr_scene_reach(e.s, &pos[0], &quat[0]) > reachError {
		C.korr_scene_rest(e.s)
		for i := range n {
			e.setPart(i, geom.TagFrame.Mul(geom.PoseAt(layout.Part(i).Of(obs))))
		}
		C.korr_scene_reach(e.s, &pos[0], &quat[0])
	}
	at := [3]C.double{C.double(obstacle[0]), C.double(obstacle[1]), C.double(obstacle[2])}
	C.korr_scene_place(e.s, C.double(arm.Width), &at[0])
	return nil
}
