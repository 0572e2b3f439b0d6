// A furniture-assembly simulation over one mjModel/mjData pair: differential-IK arm control, thread engagement,
// one call per control step. Compiles against MuJoCo 2.2.2 and 3.x headers.
#ifndef KORR_SHIM_H
#define KORR_SHIM_H
#include <mujoco/mujoco.h>
#include <stdint.h>
#include "cull.h"

#define KORR_SHIM_VERSION 2  // raise when control, threads or observation change
#define KORR_MAX_PARTS 8
#define KORR_MAX_HOLES 8
#define KORR_MAX_PEGS 8
#define KORR_MAX_PEG_GEOMS 16
#define KORR_MAX_DOF 128

// A threaded peg: the male part, its phantom nut, and the holes it may enter.
typedef struct {
  int part, receiver;            // indices of the male and the receiving part
  int nut, slide, hinge, weld;   // body, joint, joint, equality ids
  double tip[3];                 // peg tip, male part frame (m)
  int nhole;
  double mouth[KORR_MAX_HOLES][3]; // hole mouths, receiver frame (m)
  double hole[KORR_MAX_HOLES][3];  // the same in the receiver frame turned by hole_mat, where y points out of the holes
  int turned;                      // whether hole_mat or peg_mat is not the identity
  double hole_mat[9], peg_mat[9];  // frames of the joint in the receiver's and the male part's, y their axis
  double peg_inv[4];               // inverse of peg_mat, quaternion
  double pitch;                  // m per turn
  double seat;                   // depth at the end stop (m)
  int ngeom, geom[KORR_MAX_PEG_GEOMS];
  int engaged, at;               // state: engaged in hole `at`
  double depth0;                 // state: depth at engagement (m)
} korr_peg;

typedef struct {
  mjModel* m;
  mjData* d;
  int tool, obstacle;
  int npart, body[KORR_MAX_PARTS], qadr[KORR_MAX_PARTS], vadr[KORR_MAX_PARTS];
  double raw[4 * KORR_MAX_PARTS];  // the parts' quaternions before mj_step1 normalised them in place: what a snapshot keeps
  korr_cull cull;
  int npeg;
  korr_peg peg[KORR_MAX_PEGS];
  int substeps, push_substeps;
  // controller state
  int tick;
  double qdes[7], rest[7], open_width;
  double speed[7], accel[7], torque[7]; // limits of the arm's joints (rad/s, rad/s^2, N m)
  double lead[7];                // how far ahead of a joint its servo is led (rad)
  double grip;                   // where the finger servos are led to (m), on the way to finger
  double grip_speed, grip_force; // of one finger (m/s, N)
  // inputs of korr_step: target pose (base frame, quaternion w x y z), finger command, per-part push (N, N m, world)
  double target_pos[3], target_quat[4], finger;
  double push[6 * KORR_MAX_PARTS];
  int has_push;
  // outputs: tool pose and twist, gripper width, part poses (world, quaternion w x y z), the obstacle last
  double tool_pos[3], tool_mat[9], tool_vel[6], fingers[2];
  double pose[7 * (KORR_MAX_PARTS + 1)];
  double q[7], dq[7], tau[7];     // tau: joint torques, gravity compensation included
  double max_penetration;        // deepest contact of the last control step (m)
  int deepest[2];                // and its geoms
  char error[512];               // what the engine said when korr_step failed, or ""
  double* tape;                  // where the next physics steps write their inputs, or NULL (tape.c)
  double* spent;                 // KORR_PHASES times (s) to add to, or NULL (tape.c)
} korr_sim;

void korr_install_handlers(void);
korr_sim* korr_new(const char* xml, int len, char* err, int errsz);
void korr_free(korr_sim* s);
int korr_add_part(korr_sim* s, const char* body);
int korr_set_peg_ids(korr_sim* s, korr_peg* p, const char* part);
// Starts from the model's initial pose with these arm joints; part poses are written with korr_set_part before korr_settle.
void korr_reset(korr_sim* s, const double* q7, const double* obstacle);
void korr_set_part(korr_sim* s, int part, const double* pos, const double* quat);
void korr_forward(korr_sim* s);
// One control period. Returns 0, or the number of a MuJoCo warning + 1 when the state went bad, 1000 for an error of the engine; error says why.
int korr_step(korr_sim* s);
int korr_state_size(const korr_sim* s);
void korr_get_state(const korr_sim* s, double* out);
void korr_set_state(korr_sim* s, const double* in);
// Depth, lateral, tilt (rad), yaw (rad), x, z of a peg against the nearest hole (or the engaged one).
void korr_peg_state(const korr_sim* s, int peg, double out[6], int* hole);
uint64_t korr_physics_hash(const korr_sim* s);

// Where the time of a control step goes.
enum { KORR_CONTROL, KORR_ENGINE, KORR_THREADS, KORR_OUTPUTS, KORR_COLLISION, KORR_SOLVER, KORR_PHASES };
double korr_now(void);
// The engine's inputs: doubles a physics step writes onto the tape.
int korr_tape_width(const korr_sim* s);
// The bare engine loop of the benchmark: n physics steps with the tape's inputs and nothing else, from a restored state. With
// cull, the broad phase of cull.c runs before each.
void korr_bare(korr_sim* s, const double* tape, int n, int cull);
// Lets the engine count its own phases (d->timer), for the whole process.
void korr_engine_timers(int on);
size_t korr_memory(const korr_sim* s);
#endif
