// A peer on Cyclone DDS in C, with types that Cyclone's own compiler made of peer.idl: nothing of it is korr's.
//
//   idlc peer.idl && cc -o cyclone cyclone.c peer.c -lddsc     (Debian: cyclonedds-dev cyclonedds-tools)
//   cyclone DOMAIN MODE                                        the modes are in main; ends with its standard input
#include "peer.h"
#include <dds/dds.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef geometry_msgs_msg_dds__PoseArray_ PoseArray;
typedef geometry_msgs_msg_dds__PoseStamped_ PoseStamped;
typedef std_srvs_srv_dds__SetBool_Request_ SetBoolRequest;
typedef std_srvs_srv_dds__SetBool_Response_ SetBoolResponse;
typedef franka_msgs_action_dds__Move_SendGoal_Request_ GoalRequest;
typedef franka_msgs_action_dds__Move_SendGoal_Response_ GoalResponse;
typedef franka_msgs_action_dds__Move_GetResult_Request_ ResultRequest;
typedef franka_msgs_action_dds__Move_GetResult_Response_ ResultResponse;

static dds_entity_t participant;

static void die(const char *what, int rc) {
  fprintf(stderr, "%s: %s\n", what, dds_strretcode(-rc));
  exit(1);
}

static void up(void) {
  puts("up");
  fflush(stdout);
}

// ended reports whether the standard input is closed, after at most ms.
static bool ended(int ms) {
  struct pollfd p = {0, POLLIN, 0};
  char c;
  return poll(&p, 1, ms) > 0 && read(0, &c, 1) <= 0;
}

static dds_entity_t topic(const dds_topic_descriptor_t *type, const char *name) {
  dds_entity_t t = dds_create_topic(participant, type, name, NULL, NULL);
  if (t < 0) die(name, t);
  return t;
}

typedef struct {
  bool best_effort, latched, all;
  int depth; // 0 = 10
  dds_duration_t deadline;
} Quality;

static dds_qos_t *qos(const Quality *q) {
  int depth = q->depth ? q->depth : 10;
  dds_qos_t *out = dds_create_qos();
  dds_qset_history(out, q->all ? DDS_HISTORY_KEEP_ALL : DDS_HISTORY_KEEP_LAST, depth);
  dds_qset_reliability(out, q->best_effort ? DDS_RELIABILITY_BEST_EFFORT : DDS_RELIABILITY_RELIABLE, DDS_MSECS(100));
  if (q->latched) {
    dds_qset_durability(out, DDS_DURABILITY_TRANSIENT_LOCAL);
    dds_qset_durability_service(out, 0, DDS_HISTORY_KEEP_LAST, depth, -1, -1, -1);
  }
  if (q->deadline) dds_qset_deadline(out, q->deadline);
  return out;
}

static dds_entity_t writer(const dds_topic_descriptor_t *type, const char *name, Quality q) {
  dds_qos_t *o = qos(&q);
  dds_entity_t w = dds_create_writer(participant, topic(type, name), o, NULL);
  dds_delete_qos(o);
  if (w < 0) die(name, w);
  return w;
}

static dds_entity_t reader(const dds_topic_descriptor_t *type, const char *name, Quality q) {
  dds_qos_t *o = qos(&q);
  dds_entity_t r = dds_create_reader(participant, topic(type, name), o, NULL);
  dds_delete_qos(o);
  if (r < 0) die(name, r);
  return r;
}

// take takes the next sample, waiting for it at most ms; the caller returns the loan.
static bool take(dds_entity_t r, void **sample, int ms) {
  dds_sample_info_t info;
  for (int i = 0; i <= ms; i++) {
    *sample = NULL;
    if (dds_take(r, sample, &info, 1, 1) == 1) {
      if (info.valid_data) return true;
      dds_return_loan(r, sample, 1);
    } else if (ms > 0) {
      dds_sleepfor(DDS_MSECS(1));
    }
  }
  return false;
}

// awake waits until one of some readers has something, at most ms.
static void awake(const dds_entity_t *readers, int n, int ms) {
  static dds_entity_t set;
  if (!set) {
    set = dds_create_waitset(participant);
    for (int i = 0; i < n; i++) {
      dds_set_status_mask(readers[i], DDS_DATA_AVAILABLE_STATUS);
      dds_waitset_attach(set, readers[i], 0);
    }
  }
  dds_attach_t what[8];
  dds_waitset_wait(set, what, 8, DDS_MSECS(ms));
}

static void echo(Quality q) {
  dds_entity_t out = writer(&geometry_msgs_msg_dds__PoseArray__desc, "rt/pong", q);
  dds_entity_t in = reader(&geometry_msgs_msg_dds__PoseArray__desc, "rt/ping", q);
  up();
  void *m;
  while (!ended(0)) {
    for (awake(&in, 1, 100); take(in, &m, 0); dds_return_loan(in, &m, 1)) dds_write(out, m);
  }
}

// serve answers SetBool at /peer/enable and takes goals of Move at /peer/move.
static void serve(void) {
  const Quality q = {0};
  dds_entity_t answers = writer(&std_srvs_srv_dds__SetBool_Response__desc, "rr/peer/enableReply", q);
  dds_entity_t taken = writer(&franka_msgs_action_dds__Move_SendGoal_Response__desc, "rr/peer/move/_action/send_goalReply", q);
  dds_entity_t in[] = {
      reader(&std_srvs_srv_dds__SetBool_Request__desc, "rq/peer/enableRequest", q),
      reader(&franka_msgs_action_dds__Move_SendGoal_Request__desc, "rq/peer/move/_action/send_goalRequest", q),
  };
  up();
  void *m;
  while (!ended(0)) {
    awake(in, 2, 100);
    for (; take(in[0], &m, 0); dds_return_loan(in[0], &m, 1)) {
      const SetBoolRequest *r = m;
      SetBoolResponse a = {r->client, r->number, r->data, "heard in C"};
      dds_write(answers, &a);
    }
    for (; take(in[1], &m, 0); dds_return_loan(in[1], &m, 1)) {
      const GoalRequest *r = m;
      GoalResponse a = {r->client, r->number, r->goal.width >= 0, {0, 0}};
      dds_write(taken, &a);
    }
  }
}

static void fail(const char *why) {
  puts(why);
  fflush(stdout);
  exit(1);
}

static void matched(dds_entity_t w, dds_entity_t r) {
  dds_publication_matched_status_t p = {0};
  dds_subscription_matched_status_t s = {0};
  for (int i = 0; i < 10000; i++) {
    dds_get_publication_matched_status(w, &p);
    dds_get_subscription_matched_status(r, &s);
    if (p.current_count && s.current_count) return;
    dds_sleepfor(DDS_MSECS(1));
  }
  fail("nobody serves");
}

// call calls SetBool at /korr/enable and sends goals to Move at /korr/move, and says "done" or what went wrong.
static void call(void) {
  const Quality q = {0};
  const uint64_t me = 0x1122334455667788;
  void *m;
  dds_entity_t ask = writer(&std_srvs_srv_dds__SetBool_Request__desc, "rq/korr/enableRequest", q);
  dds_entity_t hear = reader(&std_srvs_srv_dds__SetBool_Response__desc, "rr/korr/enableReply", q);
  up();
  matched(ask, hear);
  for (int i = 1; i <= 3; i++) {
    SetBoolRequest r = {me, i, i % 2};
    dds_write(ask, &r);
    if (!take(hear, &m, 5000)) fail("a call was not answered");
    const SetBoolResponse *a = m;
    if (a->client != me || a->number != i || a->success != (i % 2) || strcmp(a->message, "heard")) fail("an answer is wrong");
    dds_return_loan(hear, &m, 1);
  }
  dds_entity_t send = writer(&franka_msgs_action_dds__Move_SendGoal_Request__desc, "rq/korr/move/_action/send_goalRequest", q);
  dds_entity_t taken = reader(&franka_msgs_action_dds__Move_SendGoal_Response__desc, "rr/korr/move/_action/send_goalReply", q);
  dds_entity_t want = writer(&franka_msgs_action_dds__Move_GetResult_Request__desc, "rq/korr/move/_action/get_resultRequest", q);
  dds_entity_t result = reader(&franka_msgs_action_dds__Move_GetResult_Response__desc, "rr/korr/move/_action/get_resultReply", q);
  matched(send, taken);
  matched(want, result);
  GoalRequest g = {me, 1, {{1, 2, 3}}, {0.04, 0.1}};
  dds_write(send, &g);
  if (!take(taken, &m, 5000) || !((GoalResponse *)m)->accepted) fail("a goal was not accepted");
  dds_return_loan(taken, &m, 1);
  ResultRequest w = {me, 1, {{1, 2, 3}}};
  dds_write(want, &w);
  if (!take(result, &m, 5000)) fail("a result was not told");
  const ResultResponse *a = m;
  if (a->client != me || a->number != 1 || a->status != 4 || !a->result.success) fail("a result is wrong");
  dds_return_loan(result, &m, 1);
  g = (GoalRequest){me, 2, {{4, 5, 6}}, {-1, 0.1}};
  dds_write(send, &g);
  if (!take(taken, &m, 5000) || ((GoalResponse *)m)->accepted) fail("a goal that cannot be was accepted");
  dds_return_loan(taken, &m, 1);
  fail("done");
}

// listen reads commands and stays until it is told to end.
static void listen_to_commands(Quality q) {
  reader(&geometry_msgs_msg_dds__PoseStamped__desc, "rt/command", q);
  up();
  while (!ended(1000)) {
  }
}

// rival writes commands too, once it is told "go" by a byte.
static void rival(void) {
  char c;
  reader(&geometry_msgs_msg_dds__PoseStamped__desc, "rt/command", (Quality){0});
  up();
  if (read(0, &c, 1) != 1) return;
  dds_entity_t w = writer(&geometry_msgs_msg_dds__PoseStamped__desc, "rt/command", (Quality){0});
  up();
  PoseStamped m = {.header.frame_id = ""};
  while (!ended(100)) dds_write(w, &m);
}

// speak tells a state at 100 Hz and hears commands, until it is killed.
static void speak(void) {
  reader(&geometry_msgs_msg_dds__PoseStamped__desc, "rt/command", (Quality){.depth = 1});
  dds_entity_t w = writer(&geometry_msgs_msg_dds__PoseArray__desc, "rt/state", (Quality){.best_effort = true});
  up();
  PoseArray m = {.header.frame_id = "tag"};
  for (; !ended(10); m.header.stamp.sec++) dds_write(w, &m);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const char *mode = argv[2];
  participant = dds_create_participant(atoi(argv[1]), NULL, NULL);
  if (participant < 0) die("join the domain", participant);
  if (!strcmp(mode, "reliable")) echo((Quality){.all = true});
  if (!strcmp(mode, "best_effort")) echo((Quality){.best_effort = true, .depth = 50});
  if (!strcmp(mode, "latched")) echo((Quality){.latched = true, .depth = 1});
  if (!strcmp(mode, "serve")) serve();
  if (!strcmp(mode, "call")) call();
  if (!strcmp(mode, "durability")) listen_to_commands((Quality){.latched = true});
  if (!strcmp(mode, "deadline")) listen_to_commands((Quality){.deadline = DDS_MSECS(50)});
  if (!strcmp(mode, "rival")) rival();
  if (!strcmp(mode, "speak")) speak();
  dds_delete(participant);
  return 0;
}
