// A peer of another vendor: hears every sample of rt/ping as it is and says it again on rt/pong, with Fast DDS, the
// default middleware of ROS 2. It knows no message: a sample is its serialised bytes, so that what one side wrote is what
// the other reads.
//
//   g++ -o fastdds_peer fastdds_peer.cpp -lfastrtps -lfastcdr        (Debian: libfastrtps-dev libfastcdr-dev)
//   fastdds_peer DOMAIN TYPE reliable|best_effort
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

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  auto *p = DomainParticipantFactory::get_instance()->create_participant(std::atoi(argv[1]), PARTICIPANT_QOS_DEFAULT);
  if (p == nullptr) return 1;
  TypeSupport type(new Raw(argv[2]));
  type.register_type(p);
  const bool reliable = std::strcmp(argv[3], "reliable") == 0;
  const auto kind = reliable ? RELIABLE_RELIABILITY_QOS : BEST_EFFORT_RELIABILITY_QOS;
  DataWriterQos wq = DATAWRITER_QOS_DEFAULT;
  wq.reliability().kind = kind;
  wq.history().depth = 10;
  wq.endpoint().history_memory_policy = eprosima::fastrtps::rtps::PREALLOCATED_WITH_REALLOC_MEMORY_MODE;
  DataReaderQos rq = DATAREADER_QOS_DEFAULT;
  rq.reliability().kind = kind;
  rq.history().depth = 10;
  rq.endpoint().history_memory_policy = eprosima::fastrtps::rtps::PREALLOCATED_WITH_REALLOC_MEMORY_MODE;
  Echo echo;
  echo.out = p->create_publisher(PUBLISHER_QOS_DEFAULT)->create_datawriter(p->create_topic("rt/pong", argv[2], TOPIC_QOS_DEFAULT), wq);
  auto *in = p->create_subscriber(SUBSCRIBER_QOS_DEFAULT)->create_datareader(p->create_topic("rt/ping", argv[2], TOPIC_QOS_DEFAULT), rq, &echo);
  if (echo.out == nullptr || in == nullptr) return 1;
  std::puts("up");
  std::fflush(stdout);
  char c;
  while (read(0, &c, 1) > 0) {
  }
  return 0;
}
