// A peer on Fast DDS, the default middleware of ROS 2. It knows no message: a sample is its serialised bytes, so that what
// one side wrote is what the other reads.
//
//   g++ -o fastdds fastdds.cpp -lfastrtps -lfastcdr       (Debian: libfastrtps-dev libfastcdr-dev)
//   fastdds DOMAIN MODE                                   the modes are those of cyclone.c, but for services and actions
#include <fastdds/dds/domain/DomainParticipant.hpp>
#include <fastdds/dds/domain/DomainParticipantFactory.hpp>
#include <fastdds/dds/publisher/DataWriter.hpp>
#include <fastdds/dds/publisher/Publisher.hpp>
#include <fastdds/dds/subscriber/DataReader.hpp>
#include <fastdds/dds/subscriber/DataReaderListener.hpp>
#include <fastdds/dds/subscriber/SampleInfo.hpp>
#include <fastdds/dds/subscriber/Subscriber.hpp>
#include <fastdds/dds/topic/TopicDataType.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <vector>

using namespace eprosima::fastdds::dds;
using eprosima::fastrtps::rtps::InstanceHandle_t;
using eprosima::fastrtps::rtps::SerializedPayload_t;

using Bytes = std::vector<unsigned char>;

class Raw : public TopicDataType {
public:
  explicit Raw(const std::string &name) {
    setName(name.c_str());
    m_typeSize = 8 << 20;
    m_isGetKeyDefined = false;
  }
  bool serialize(void *data, SerializedPayload_t *payload) override {
    const auto *b = static_cast<Bytes *>(data);
    if (b->size() > payload->max_size || b->size() < 4) return false;
    std::memcpy(payload->data, b->data(), b->size());
    payload->length = b->size();
    payload->encapsulation = b->at(1) == 1 ? CDR_LE : CDR_BE;
    return true;
  }
  bool deserialize(SerializedPayload_t *payload, void *data) override {
    static_cast<Bytes *>(data)->assign(payload->data, payload->data + payload->length);
    return true;
  }
  std::function<uint32_t()> getSerializedSizeProvider(void *data) override {
    const size_t n = static_cast<Bytes *>(data)->size();
    return [n]() { return static_cast<uint32_t>(n); };
  }
  void *createData() override { return new Bytes; }
  void deleteData(void *data) override { delete static_cast<Bytes *>(data); }
  bool getKey(void *, InstanceHandle_t *, bool) override { return false; }
};

class Echo : public DataReaderListener {
public:
  DataWriter *out = nullptr;
  void on_data_available(DataReader *in) override {
    Bytes b;
    SampleInfo info;
    while (in->take_next_sample(&b, &info) == ReturnCode_t::RETCODE_OK) {
      if (info.valid_data) out->write(&b);
    }
  }
};

static DomainParticipant *p;

static void up() {
  std::puts("up");
  std::fflush(stdout);
}

// ended reports whether the standard input is closed, after at most ms.
static bool ended(int ms) {
  struct pollfd in = {0, POLLIN, 0};
  char c;
  return poll(&in, 1, ms) > 0 && read(0, &c, 1) <= 0;
}

struct Quality {
  bool best_effort, latched;
  int depth; // 0 = all
  double deadline;
};

template <class Q> static Q qos(Q q, const Quality &want) {
  q.reliability().kind = want.best_effort ? BEST_EFFORT_RELIABILITY_QOS : RELIABLE_RELIABILITY_QOS;
  q.durability().kind = want.latched ? TRANSIENT_LOCAL_DURABILITY_QOS : VOLATILE_DURABILITY_QOS;
  q.history().depth = want.depth;
  if (want.depth == 0) q.history().kind = KEEP_ALL_HISTORY_QOS;
  if (want.deadline > 0) q.deadline().period = eprosima::fastrtps::Duration_t(want.deadline);
  q.endpoint().history_memory_policy = eprosima::fastrtps::rtps::PREALLOCATED_WITH_REALLOC_MEMORY_MODE;
  return q;
}

static Topic *topic(const char *name, const char *type) {
  if (!p->find_type(type)) TypeSupport(new Raw(type)).register_type(p);
  return p->create_topic(name, type, TOPIC_QOS_DEFAULT);
}

static Topic *commands() {
  static Topic *t = topic("rt/command", "geometry_msgs::msg::dds_::PoseStamped_");
  return t;
}

static const char array[] = "geometry_msgs::msg::dds_::PoseArray_";

// A lost sample is repeated after the next heartbeat. Fast DDS's default is one in 3 s, which at 50 Hz is longer than the
// histories of ROS 2's readers.
static DataWriter *writer(Topic *t, const Quality &q) {
  DataWriterQos how = qos(DATAWRITER_QOS_DEFAULT, q);
  how.reliable_writer_qos().times.heartbeatPeriod = eprosima::fastrtps::Duration_t(0.02);
  auto *w = p->create_publisher(PUBLISHER_QOS_DEFAULT)->create_datawriter(t, how);
  if (w == nullptr) std::exit(1);
  return w;
}

static DataReader *reader(Topic *t, const Quality &q, DataReaderListener *l = nullptr) {
  auto *r = p->create_subscriber(SUBSCRIBER_QOS_DEFAULT)->create_datareader(t, qos(DATAREADER_QOS_DEFAULT, q), l);
  if (r == nullptr) std::exit(1);
  return r;
}

static void echo(const Quality &q) {
  static Echo e;
  e.out = writer(topic("rt/pong", array), q);
  reader(topic("rt/ping", array), q, &e);
  up();
  while (!ended(1000)) {
  }
}

static void listen_to_commands(const Quality &q) {
  reader(commands(), q);
  up();
  while (!ended(1000)) {
  }
}

// rival writes commands too, once it is told "go" by a byte.
static void rival() {
  char c;
  reader(commands(), {false, false, 1, 0});
  up();
  if (read(0, &c, 1) != 1) return;
  auto *w = writer(commands(), {false, false, 1, 0});
  up();
  Bytes m(4 + 8 + 8 + 56, 0);
  m[1] = 1, m[12] = 1; // little endian; a frame_id of one byte
  while (!ended(100)) w->write(&m);
}

// speak tells a state at 100 Hz and hears commands, until it is killed.
static void speak() {
  reader(commands(), {false, false, 1, 0});
  auto *w = writer(topic("rt/state", array), {true, false, 1, 0});
  up();
  Bytes m(4 + 8 + 8 + 4, 0);
  m[1] = 1, m[12] = 1; // little endian; a frame_id of one byte; no poses
  for (uint32_t n = 0; !ended(10); n++) {
    std::memcpy(&m[4], &n, 4);
    w->write(&m);
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const std::string mode = argv[2];
  p = DomainParticipantFactory::get_instance()->create_participant(std::atoi(argv[1]), PARTICIPANT_QOS_DEFAULT);
  if (p == nullptr) return 1;
  if (mode == "reliable") echo({false, false, 0, 0});
  if (mode == "best_effort") echo({true, false, 50, 0});
  if (mode == "latched") echo({false, true, 1, 0});
  if (mode == "durability") listen_to_commands({false, true, 1, 0});
  if (mode == "deadline") listen_to_commands({false, false, 1, 0.05});
  if (mode == "rival") rival();
  if (mode == "speak") speak();
  std::_Exit(0); // what the library's threads still do is of no interest
}
