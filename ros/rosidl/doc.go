// Package rosidl gives the ROS 2 form of the messages of package msgs, whose Go structs are the one description of
// every message that korr speaks: the same struct has a ROS 1 form (package node) and, here, a CDR codec, the text of
// its definition (ros2msg, as MCAP files and Foxglove carry it), and the RIHS01 hash by which ROS 2 nodes compare
// types.
//
// # From a struct to a type
//
// A struct names its ROS package by the embedded node.Package. The tag ros2:"package/kind/Name" there gives the full
// ROS 2 name where it is not package/msg/GoName; a field tagged ros2:"-" does not exist in ROS 2 (a header's seq, five
// of Franka's errors). time.Time is builtin_interfaces/msg/Time, time.Duration is builtin_interfaces/msg/Duration. A
// struct without fields has one hidden octet in ROS 2, as the IDL wants at least one member.
//
// # CDR
//
// Plain CDR (XCDR version 1) with its 4-byte header: representation (little endian is written, both are read) and
// options. Alignment counts from the end of the header. A reader gets what is a message of the type and nothing else:
// lengths are bounded by the bytes that there are, a bool is 0 or 1, a string ends in NUL, and no more than three bytes
// of padding follow the last field.
//
// Sources: OMG DDSI-RTPS 2.2 chapter 10, OMG CORBA 3.1 part 2 section 9.3 (CDR); ROS enhancement proposal 2011 and
// rosidl_generator_type_description (RIHS01); type_description_interfaces/msg/FieldType (type numbers).
package rosidl
