// Both ends of korr bench ros over ROS 2, on Cyclone DDS in C with types that Cyclone's own compiler made of peer.idl.
//
//   trip DOMAIN answer [policy]   answers every state with a pose; with "policy" the state goes through the networks
//   trip DOMAIN ask               reads numbers of round trips, one a line; says p50, p99 and max of each, us
//
// Both wait as rclcpp does, on a wait set. QoS as franka_ros2: a state best effort, a command reliable, newest only.
#include "networks.h"
#include "peer.h"
#include <dds/dds.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef geometry_msgs_msg_dds__PoseArray_ PoseArray;
typedef geometry_msgs_msg_dds__PoseStamped_ PoseStamped;
typedef sensor_msgs_msg_dds__JointState_ JointState;

enum { states = 230, parts = 6, rate = 100, most = 100000 };

static dds_entity_t participant;

static dds_entity_t checked(dds_entity_t e, const char *what) {
  if (e < 0) {
    fprintf(stderr, "%s: %s\n", what, dds_strretcode(-e));
    exit(1);
  }
  return e;
}

static dds_qos_t *quality(bool reliable) {
  dds_qos_t *q = dds_create_qos();
  dds_qset_history(q, DDS_HISTORY_KEEP_LAST, 1);
  dds_qset_reliability(q, reliable ? DDS_RELIABILITY_RELIABLE : DDS_RELIABILITY_BEST_EFFORT, DDS_MSECS(100));
  return q;
}

static dds_entity_t topic(const dds_topic_descriptor_t *type, const char *name) {
  return checked(dds_create_topic(participant, type, name, NULL, NULL), name);
}

static dds_entity_t writer(const dds_topic_descriptor_t *type, const char *name) { // for readers of both kinds
  return checked(dds_create_writer(participant, topic(type, name), quality(true), NULL), name);
}

static dds_entity_t reader(const dds_topic_descriptor_t *type, const char *name, bool reliable) {
  dds_entity_t r = checked(dds_create_reader(participant, topic(type, name), quality(reliable), NULL), name);
  dds_set_status_mask(r, DDS_DATA_AVAILABLE_STATUS);
  return r;
}

// take takes the next sample, if there is one; the caller returns the loan.
static bool take(dds_entity_t r, void **sample) {
  dds_sample_info_t info;
  *sample = NULL;
  if (dds_take(r, sample, &info, 1, 1) != 1) return false;
  if (info.valid_data) return true;
  dds_return_loan(r, sample, 1);
  return false;
}

static dds_entity_t set_of(const dds_entity_t *readers, int n) {
  dds_entity_t set = checked(dds_create_waitset(participant), "wait set");
  for (int i = 0; i < n; i++) dds_waitset_attach(set, readers[i], 0);
  return set;
}

static void answer(bool policy) {
  static Networks networks;
  networks_new(&networks);
  dds_entity_t out = writer(&geometry_msgs_msg_dds__PoseStamped__desc, "rt/command");
  dds_entity_t in[] = {
      reader(&geometry_msgs_msg_dds__PoseArray__desc, "rt/parts", false),
      reader(&sensor_msgs_msg_dds__JointState__desc, "rt/state", false),
  };
  dds_entity_t set = set_of(in, 2);
  double newest = 0;
  for (void *m;;) {
    dds_waitset_wait(set, NULL, 0, DDS_INFINITY);
    for (; take(in[0], &m); dds_return_loan(in[0], &m, 1)) {
      const PoseArray *p = m;
      newest = 0;
      for (uint32_t i = 0; i < p->poses._length; i++) newest += p->poses._buffer[i].position.x;
    }
    for (; take(in[1], &m); dds_return_loan(in[1], &m, 1)) {
      const JointState *s = m;
      PoseStamped p = {.header = {s->header.stamp, ""}, .pose.orientation.w = 1};
      if (policy && s->position._length >= net_obs + net_act) {
        float action[net_act];
        networks_step(&networks, s->position._buffer, action);
        p.pose.position.x = action[0];
        p.pose.position.z = action[1];
      } else {
        for (uint32_t i = 0; i < s->position._length; i++) p.pose.position.x += s->position._buffer[i];
      }
      p.pose.position.y = newest;
      dds_write(out, &p);
    }
  }
}

static double now(void) { // us
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

// end is one end of the round trips.
typedef struct {
  dds_entity_t parts, state, command, set;
  PoseArray p;
  JointState s;
} End;

// trip is the time of a round trip, us; negative when no answer came within ms.
static double trip(End *e, int ms) {
  void *m;
  while (take(e->command, &m)) dds_return_loan(e->command, &m, 1); // late ones
  e->s.header.stamp.sec++;
  e->p.header.stamp = e->s.header.stamp;
  const double begun = now();
  dds_write(e->parts, &e->p);
  dds_write(e->state, &e->s);
  while (now() < begun + ms * 1e3) {
    dds_waitset_wait(e->set, NULL, 0, DDS_MSECS(ms));
    while (take(e->command, &m)) {
      const bool mine = ((const PoseStamped *)m)->header.stamp.sec == e->s.header.stamp.sec;
      const double took = now() - begun;
      dds_return_loan(e->command, &m, 1);
      if (mine) return took;
    }
  }
  return -1;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int ask(void) {
  static double numbers[states], took[most];
  static geometry_msgs_msg_dds__Pose_ poses[parts];
  End e = {.p = {{{0, 0}, "tag"}, {parts, parts, poses, false}}, .s = {.header.frame_id = ""}};
  e.s.position._maximum = e.s.position._length = states;
  e.s.position._buffer = numbers;
  e.parts = writer(&geometry_msgs_msg_dds__PoseArray__desc, "rt/parts");
  e.state = writer(&sensor_msgs_msg_dds__JointState__desc, "rt/state");
  e.command = reader(&geometry_msgs_msg_dds__PoseStamped__desc, "rt/command", true);
  e.set = set_of(&e.command, 1);
  const double limit = now() + 30e6;
  while (trip(&e, 100) < 0)
    if (now() > limit) return 1;
  puts("up");
  fflush(stdout);
  for (int n; scanf("%d", &n) == 1 && n > 0 && n <= most;) {
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (int i = 0; i < n; i++) {
      next.tv_nsec += 1000000000 / rate;
      if (next.tv_nsec >= 1000000000) next.tv_sec++, next.tv_nsec -= 1000000000;
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
      if ((took[i] = trip(&e, 1000)) < 0) return 1;
    }
    qsort(took, n, sizeof *took, ascending);
    printf("%g %g %g\n", took[n / 2], took[(int)(0.99 * n)], took[n - 1]);
    fflush(stdout);
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  participant = checked(dds_create_participant(atoi(argv[1]), NULL, NULL), "join the domain");
  if (!strcmp(argv[2], "ask")) return ask();
  answer(argc > 3);
}
