// The work of korr bench ros, in roscpp: answers every state with a pose. With "policy" as an argument the state goes through
// networks.h, which is Cyclone's too (internal/verify/hosts/peers).
#include "networks.h"
#include <geometry_msgs/PoseArray.h>
#include <geometry_msgs/PoseStamped.h>
#include <numeric>
#include <ros/ros.h>
#include <sensor_msgs/JointState.h>

static ros::Publisher out;
static geometry_msgs::PoseArray::ConstPtr parts;
static Networks *policy;

static void onParts(const geometry_msgs::PoseArray::ConstPtr &m) { parts = m; }

static void onState(const sensor_msgs::JointState::ConstPtr &m) {
  geometry_msgs::PoseStamped p;
  p.header.stamp = m->header.stamp;
  if (parts)
    for (const auto &q : parts->poses)
      p.pose.position.y += q.position.x;
  if (policy && m->position.size() >= net_obs + net_act) {
    float action[net_act];
    networks_step(policy, m->position.data(), action);
    p.pose.position.x = action[0];
    p.pose.position.z = action[1];
  } else {
    p.pose.position.x = std::accumulate(m->position.begin(), m->position.end(), 0.0);
  }
  p.pose.orientation.w = 1;
  out.publish(p);
}

int main(int argc, char **argv) {
  ros::init(argc, argv, "peer");
  if (argc > 1 && std::string(argv[1]) == "policy") {
    policy = new Networks;
    networks_new(policy);
  }
  ros::NodeHandle n;
  const auto hints = ros::TransportHints().tcpNoDelay();
  out = n.advertise<geometry_msgs::PoseStamped>("command", 1);
  ros::Subscriber a = n.subscribe("parts", 1, onParts, hints);
  ros::Subscriber b = n.subscribe("state", 1, onState, hints);
  ros::spin();
}
