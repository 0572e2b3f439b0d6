// KORR's published networks with random weights, in loops that a compiler vectorises: lift, prediction and residual of
// one observation. For C and C++.
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { net_obs = 58, net_act = 10, net_latent = 256, net_hidden = 256 };

typedef struct {
  int in, out;
  float w[256 * 256]; // [in, out]
} Linear;

typedef struct {
  Linear lift[3], actor[3], a, b;
} Networks;

static void linear_new(Linear *l, int in, int out) {
  static uint32_t draw = 1;
  l->in = in;
  l->out = out;
  for (int i = 0; i < in * out; i++) {
    draw = draw * 1664525u + 1013904223u;
    l->w[i] = ((draw >> 8) / 8388608.0f - 1) * sqrtf(3.0f / in);
  }
}

static void networks_new(Networks *n) {
  linear_new(&n->lift[0], net_obs, net_hidden);
  linear_new(&n->lift[1], net_hidden, net_hidden);
  linear_new(&n->lift[2], net_hidden, net_latent);
  linear_new(&n->actor[0], net_latent, net_hidden);
  linear_new(&n->actor[1], net_hidden, net_hidden);
  linear_new(&n->actor[2], net_hidden, net_act);
  linear_new(&n->a, net_latent, net_latent);
  linear_new(&n->b, net_act, net_latent);
}

// linear_add adds l's part to y.
static void linear_add(const Linear *l, const float *x, float *y) {
  for (int i = 0; i < l->in; i++)
    for (int j = 0; j < l->out; j++)
      y[j] += x[i] * l->w[i * l->out + j];
}

static void through(const Linear *net, const float *x, float *y) {
  float h[2][256];
  memset(h, 0, sizeof h);
  for (int k = 0; k < 2; k++) {
    linear_add(&net[k], k ? h[0] : x, h[k]);
    for (int j = 0; j < net[k].out; j++)
      h[k][j] = h[k][j] > 0 ? h[k][j] : 0;
  }
  memset(y, 0, net[2].out * sizeof *y);
  linear_add(&net[2], h[1], y);
}

// networks_step fills action[net_act] for a state that begins with an observation and a base action.
static void networks_step(const Networks *n, const double *state, float *action) {
  float in[net_obs + net_act], z[net_latent], next[net_latent] = {0};
  for (int i = 0; i < net_obs + net_act; i++)
    in[i] = (float)state[i];
  through(n->lift, in, z);
  linear_add(&n->a, z, next);
  linear_add(&n->b, in + net_obs, next);
  through(n->actor, next, action);
}
