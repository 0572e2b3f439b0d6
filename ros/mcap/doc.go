// Package mcap writes and reads recordings as MCAP files of ROS 2's profile, which Foxglove, Rerun and rosbag2 open:
// messages in CDR, their definitions in ROS 2's message language (ros2msg), zstd chunks, and CRCs over everything. It
// is the one room of github.com/foxglove/mcap.
//
// Towards the rest of korr an MCAP file looks like a bag (package bag): a Writer takes what a bag.Writer takes and a
// Reader gives what a bag.Reader gives, ROS 1's serialisation of package msgs' types. So whatever records or reads bags
// does so with MCAP files too, and a bag is converted by copying its messages. Franka's state is FrankaRobotState here,
// on franka_ros2's topic; it comes back the same to a policy, bit for bit. A header's seq does not exist in ROS 2.
//
// Messages of types that korr does not know are counted and passed over. They come in the order of the file, which is
// that of time but for what a recorder's threads mixed up.
//
// # Damage
//
// The library checks the CRC of a chunk and no other. Open compares the CRC of the data section, that of the summary,
// and every byte that neither covers, before it gives a message: no flipped bit of a file written here goes unnoticed.
// With Recover it reads up to the damage, or to the end of a file that was never closed.
//
// Source: mcap.dev/spec.
package mcap
