package rosidl_test

import (
	"testing"

	"korr/ros/msgs"
	"korr/ros/node"
	"korr/ros/rosidl"
)

// hashed is a type by its Go struct with the hash that is published for it.
type hashed struct {
	name, hash string
	of         func() (*rosidl.Type, error)
}

func of[M any](name, hash string) hashed { return hashed{name, "RIHS01_" + hash, rosidl.For[M]} }

// addTwoInts is example_interfaces/srv/AddTwoInts.
type (
	addTwoIntsReq struct {
		node.Package `ros:"example_interfaces"`
		A, B         int64
	}
	addTwoIntsRes struct {
		node.Package `ros:"example_interfaces"`
		Sum          int64
	}
	empty struct {
		node.Package `ros:"std_msgs" ros2:"std_msgs/msg/Empty"`
	}
)

// TestHashesArePublishedOnes compares with the hashes that ROS 2's own generator gives, as `ros2 topic info -v` of
// Jazzy prints them.
func TestHashesArePublishedOnes(t *testing.T) {
	for _, c := range []hashed{
		of[msgs.String]("std_msgs/msg/String", "df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"),
		of[msgs.Header]("std_msgs/msg/Header", "f49fb3ae2cf070f793645ff749683ac6b06203e41c891e17701b1cb597ce6a01"),
		of[empty]("std_msgs/msg/Empty", "20b625256f32d5dbc0d04fee44f43c41e51c70d3502f84b4a08e7a9c26a96312"),
		of[msgs.Clock]("rosgraph_msgs/msg/Clock", "692f7a66e93a3c83e71765d033b60349ba68023a8c689a79e48078bcb5c58564"),
		of[msgs.JointState]("sensor_msgs/msg/JointState", "a13ee3a330e346c9d87b5aa18d24e11690752bd33a0350f11c5882bc9179260e"),
		of[msgs.Point]("geometry_msgs/msg/Point", "6963084842a9b04494d6b2941d11444708d892da2f4b09843b9c43f42a7f6881"),
		of[msgs.Quaternion]("geometry_msgs/msg/Quaternion",
			"8a765f66778c8ff7c8ab94afcc590a2ed5325a1d9a076ffff38fbce36f458684"),
		of[msgs.Pose]("geometry_msgs/msg/Pose", "d501954e9476cea2996984e812054b68026ae0bfae789d9a10b23daf35cc90fa"),
		of[msgs.PoseStamped]("geometry_msgs/msg/PoseStamped",
			"10f3786d7d40fd2b54367835614bff85d4ad3b5dab62bf8bca0cc232d73b4cd8"),
		of[msgs.PoseArray]("geometry_msgs/msg/PoseArray", "af0cc36d190e104d546d168d6b39df04fa4b4ccecf59cb4c9ed328d3d5004aa0"),
		of[msgs.TwistStamped]("geometry_msgs/msg/TwistStamped",
			"5f0fcd4f81d5d06ad9b4c4c63e3ea51b82d6ae4d0558f1d475229b1121db6f64"),
		of[msgs.TransformStamped]("geometry_msgs/msg/TransformStamped",
			"0a241f87d04668d94099cbb5ba11691d5ad32c2f29682e4eb5653424bd275206"),
		of[msgs.TFMessage]("tf2_msgs/msg/TFMessage", "e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087"),
		of[msgs.JointTrajectory]("trajectory_msgs/msg/JointTrajectory",
			"179b33eba59d676f6d967ac71fe35e7ca2f64b2f3928f4a018cec115e213796e"),
		of[msgs.RosoutLog]("rcl_interfaces/msg/Log", "e28ce254ca8abc06abf92773b74602cdbf116ed34fbaf294fb9f81da9f318eac"),
		of[msgs.CancelGoalReq]("action_msgs/srv/CancelGoal_Request",
			"3d3c84653c1f96918086887e1dcb236faec88b81a5b14fd4cf4840065bcdf8af"),
		of[msgs.KeyValue]("diagnostic_msgs/msg/KeyValue", "d68081eaa540288c5440753baecef0c4e16e81a5f78ad68902ded5100413bb42"),
	} {
		idl, err := c.of()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if idl.Name != c.name || idl.Hash() != c.hash {
			t.Errorf("%s: got %s %s, want %s", c.name, idl.Name, idl.Hash(), c.hash)
		}
	}
}

// TestServiceHashIsThePublishedOne: a service's hash covers its request, response and event.
func TestServiceHashIsThePublishedOne(t *testing.T) {
	s, err := rosidl.NewService[addTwoIntsReq, addTwoIntsRes]("example_interfaces/srv/AddTwoInts")
	if err != nil {
		t.Fatal(err)
	}
	const want = "RIHS01_e118de6bf5eeb66a2491b5bda11202e7b68f198d6f67922cf30364858239c81a"
	if got := s.Hash(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	cancel, err := rosidl.NewService[msgs.CancelGoalReq, msgs.CancelGoalRes](msgs.CancelGoalService)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cancel.Hash(), "RIHS01_573d8b0a534451d7bc2ac8c5ffde8ac14b8593b7001175d0cd6516dcbeb8689a"; got != want {
		t.Errorf("cancel: got %s, want %s", got, want)
	}
	if got := s.Request.DDS(); got != "example_interfaces::srv::dds_::AddTwoInts_Request_" {
		t.Errorf("the request is %s on DDS", got)
	}
}
