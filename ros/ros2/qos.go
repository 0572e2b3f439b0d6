package ros2

import "korr/ros/ros2/dds"

// Profile says what a topic is for.
type Profile int

// The profiles.
const (
	State   Profile = iota // what a robot tells, newest only: written reliably, read as it comes (best effort)
	Command                // what a robot is told: reliable, newest only
	Report                 // for people: reliable, the last ten
	Latched                // the last message for whoever comes later
	Button                 // an operator's: nothing may be missed
	Clock                  // best effort, newest only
)

func (p Profile) String() string {
	return [...]string{"state", "command", "report", "latched", "button", "clock"}[p]
}

// writer is the quality of what is written. A reliable writer serves readers of both kinds.
func (p Profile) writer() dds.QoS {
	switch p {
	case Latched:
		return dds.QoS{Reliable: true, TransientLocal: true, Depth: 1}
	case Clock:
		return dds.QoS{Depth: 1}
	case Report, Button:
		return dds.QoS{Reliable: true, Depth: 10}
	}
	return dds.QoS{Reliable: true, Depth: 1}
}

// readers are the qualities of what is read. The last one matches every writer.
func (p Profile) readers() []dds.QoS {
	lenient := dds.QoS{Depth: 10}
	switch p {
	case Latched:
		return []dds.QoS{{Reliable: true, TransientLocal: true, Depth: 1}, lenient}
	case Button:
		return []dds.QoS{{Reliable: true, Depth: 10}, lenient}
	case Report:
		return []dds.QoS{lenient}
	case Command:
		return []dds.QoS{{Reliable: true, Depth: 1}}
	}
	return []dds.QoS{{Depth: 1}}
}

// service is the quality of both ways of a service: rmw_qos_profile_services_default.
var service = dds.QoS{Reliable: true, Depth: 10}
