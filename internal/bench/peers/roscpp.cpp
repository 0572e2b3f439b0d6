// The work of korr bench ros, in roscpp: answers every state with a pose. With "policy" as an argument the state goes through
// layers of the published widths, in loops that the compiler vectorises.
#include <geometry_msgs/PoseArray.h>
#include <geometry_msgs/PoseStamped.h>
#include <numeric>
#include <random>
#include <ros/ros.h>
#include <sensor_msgs/JointState.h>
#include <vector>

typedef std::vector<float> Vector;

static const size_t obs = 58, act = 10, latent = 256, hidden = 256;

struct Linear {
  size_t in, out;
  Vector w; // [in, out]
  Linear(size_t in, size_t out) : in(in), out(out), w(in * out) {
    static std::mt19937 rng;
    std::normal_distribution<float> normal(0, 1 / std::sqrt(float(in)));
    for (float &v : w)
      v = normal(rng);
  }
  Vector operator()(const Vector &x, bool relu) const {
    Vector y(out);
    for (size_t i = 0; i < in; i++)
      for (size_t j = 0; j < out; j++)
        y[j] += x[i] * w[i * out + j];
    if (relu)
      for (float &v : y)
        v = std::max(v, 0.0f);
    return y;
  }
};

struct Policy {
  Linear lift[3] = {{obs, hidden}, {hidden, hidden}, {hidden, latent}}, actor[3] = {{latent, hidden}, {hidden, hidden}, {hidden, act}};
  Linear a{latent, latent}, b{act, latent};
  static Vector through(const Linear *net, Vector x) { return net[2](net[1](net[0](x, true), true), false); }
  Vector operator()(const Vector &x, const Vector &u) const {
    Vector z = a(through(lift, x), false), driven = b(u, false);
    for (size_t i = 0; i < latent; i++)
      z[i] += driven[i];
    return through(actor, z);
  }
};

static ros::Publisher out;
static geometry_msgs::PoseArray::ConstPtr parts;
static Policy *policy;

static void onParts(const geometry_msgs::PoseArray::ConstPtr &m) { parts = m; }

static void onState(const sensor_msgs::JointState::ConstPtr &m) {
  geometry_msgs::PoseStamped p;
  p.header.stamp = m->header.stamp;
  if (parts)
    for (const auto &q : parts->poses)
      p.pose.position.y += q.position.x;
  if (policy) {
    const auto x = m->position.begin();
    const Vector u = (*policy)(Vector(x, x + obs), Vector(x + obs, x + obs + act));
    p.pose.position.x = u[0];
    p.pose.position.z = u[1];
  } else {
    p.pose.position.x = std::accumulate(m->position.begin(), m->position.end(), 0.0);
  }
  p.pose.orientation.w = 1;
  out.publish(p);
}

int main(int argc, char **argv) {
  ros::init(argc, argv, "peer");
  if (argc > 1 && std::string(argv[1]) == "policy")
    policy = new Policy;
  ros::NodeHandle n;
  const auto hints = ros::TransportHints().tcpNoDelay();
  out = n.advertise<geometry_msgs::PoseStamped>("command", 1);
  ros::Subscriber a = n.subscribe("parts", 1, onParts, hints);
  ros::Subscriber b = n.subscribe("state", 1, onState, hints);
  ros::spin();
}
