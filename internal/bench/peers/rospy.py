# The work of korr bench ros, in rospy: answers every state with a pose. With "policy" as an argument the state goes through the published
# networks, a frozen torch.jit trace on one thread, as torch_korr.py has them.
import sys

import rospy
from geometry_msgs.msg import PoseArray, PoseStamped
from sensor_msgs.msg import JointState

OBS, ACT, LATENT, HIDDEN = 58, 10, 256, 256
step = None
if "policy" in sys.argv:
    import torch
    from torch import nn

    def net(inputs, outputs):
        return nn.Sequential(
            nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs, bias=False)
        )

    class Policy(nn.Module):
        def __init__(self):
            super().__init__()
            self.lift, self.actor = net(OBS, LATENT), net(LATENT, ACT)
            self.a, self.b = nn.Parameter(torch.eye(LATENT)), nn.Parameter(0.1 * torch.randn(LATENT, ACT))

        def forward(self, x):
            return self.actor(self.lift(x[..., :OBS]) @ self.a.t() + x[..., OBS:] @ self.b.t())

    torch.set_num_threads(1)
    step = torch.jit.freeze(torch.jit.trace(Policy().eval(), torch.randn(1, OBS + ACT)))

parts = [None]


def on_parts(m):
    parts[0] = m


def on_state(m):
    p = PoseStamped()
    p.header.stamp = m.header.stamp
    if parts[0] is not None:
        p.pose.position.y = sum(q.position.x for q in parts[0].poses)
    if step is None:
        p.pose.position.x = sum(m.position)
    else:
        with torch.no_grad():
            u = step(torch.tensor([m.position[: OBS + ACT]])).tolist()[0]
        p.pose.position.x, p.pose.position.z = u[0], u[1]
    p.pose.orientation.w = 1
    out.publish(p)


rospy.init_node("peer", disable_signals=False)
out = rospy.Publisher("command", PoseStamped, queue_size=1, tcp_nodelay=True)
rospy.Subscriber("parts", PoseArray, on_parts, queue_size=1, tcp_nodelay=True)
rospy.Subscriber("state", JointState, on_state, queue_size=1, tcp_nodelay=True)
rospy.spin()
