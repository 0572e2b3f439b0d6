package msgs

import "korr/ros/node"

// DiagnosticsTopic is where nodes report their health (DiagnosticArray).
const DiagnosticsTopic = "/diagnostics"

// Levels of a DiagnosticStatus.
const (
	DiagnosticOK    int8 = 0
	DiagnosticWarn  int8 = 1
	DiagnosticError int8 = 2
	DiagnosticStale int8 = 3
)

// KeyValue is diagnostic_msgs/KeyValue.
type KeyValue struct {
	node.Package `ros:"diagnostic_msgs"`
	Key          string
	Value        string
}

// DiagnosticStatus is diagnostic_msgs/DiagnosticStatus.
type DiagnosticStatus struct {
	node.Package     `ros:"diagnostic_msgs"`
	node.Definitions `ros:"byte OK=0,byte WARN=1,byte ERROR=2,byte STALE=3"`
	Level            int8 `rostype:"byte"`
	Name             string
	Message          string
	HardwareId       string //nolint:revive // the wire name is hardware_id
	Values           []KeyValue
}

// DiagnosticArray is diagnostic_msgs/DiagnosticArray.
type DiagnosticArray struct {
	node.Package `ros:"diagnostic_msgs"`
	Header       Header
	Status       []DiagnosticStatus
}

// RosoutTopic is where nodes log (Log).
const RosoutTopic = "/rosout"

// Log is rosgraph_msgs/Log.
type Log struct {
	node.Package     `ros:"rosgraph_msgs"`
	node.Definitions `ros:"byte DEBUG=1,byte INFO=2,byte WARN=4,byte ERROR=8,byte FATAL=16"`
	Header           Header
	Level            int8 `rostype:"byte"`
	Name             string
	Msg              string
	File             string
	Function         string
	Line             uint32
	Topics           []string
}
