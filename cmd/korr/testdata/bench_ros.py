# The work of korr bench ros, in rospy: answers every state with a pose.
import rospy
from geometry_msgs.msg import PoseArray, PoseStamped
from sensor_msgs.msg import JointState

rospy.init_node("peer", disable_signals=False)
out = rospy.Publisher("command", PoseStamped, queue_size=1, tcp_nodelay=True)
parts = [None]


def on_parts(m):
    parts[0] = m


def on_state(m):
    p = PoseStamped()
    p.header.stamp = m.header.stamp
    p.pose.position.x = sum(m.position)
    if parts[0] is not None:
        p.pose.position.y = sum(q.position.x for q in parts[0].poses)
    p.pose.orientation.w = 1
    out.publish(p)


rospy.Subscriber("parts", PoseArray, on_parts, queue_size=1, tcp_nodelay=True)
rospy.Subscriber("state", JointState, on_state, queue_size=1, tcp_nodelay=True)
rospy.spin()
