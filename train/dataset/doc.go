// Package dataset reads and writes demonstrations as LeRobot dataset v3.0
// folders, so that Python users open them with lerobot, pandas or any Parquet
// reader (format: github.com/huggingface/lerobot, codebase_version "v3.0").
//
//	meta/info.json                            what the dataset holds: features, counts, path templates
//	meta/stats.json                           min, max, mean, std, count and quantiles of every feature
//	meta/tasks.parquet                        task_index and, as the pandas index, the task
//	meta/episodes/chunk-000/file-000.parquet  one row an episode, statistics included
//	data/chunk-000/file-000.parquet           one row a frame, one row group an episode, snappy
//	meta/checksums.json                       ours: CRC-32C of every 64 KiB of the files above
//
// # Features
//
// One frame holds what was observed before a control step and what the step
// did; frames of an episode are in time order.
//
//	observation.state              float32 [16]  end-effector position (m), rotation 6D, linear velocity (m/s),
//	                                             angular velocity (rad/s), gripper width (m); robot base frame
//	observation.environment_state  float32 [7P]  per part, the obstacle last: position (m), quaternion x y z w; tag frame
//	action                         float32 [10]  what the demonstrator meant: position (m, base frame), rotation 6D, gripper;
//	                                             the label for imitation
//	action.executed                float32 [10]  what the robot was told: action plus execution noise
//	next.reward                    float32       reward of the step
//	next.done                      bool          the episode ended with the step
//	next.success                   bool          the task was solved after the step
//
// The columns timestamp (s), frame_index, episode_index, index and task_index
// are LeRobot's own.
//
// Each row of meta/episodes carries columns of ours beside LeRobot's: seed
// (uint64), randomness (string), perturbation (strength, 1 = as published),
// execution_noise (m), simulator (fingerprint of the physics model) and domain
// (JSON of what the episode drew of its physics, empty for the nominal ones). A
// dataset with recoveries has the column recovery too: JSON that says from which
// policy the demonstrator took over, why and when; empty for an episode that it
// acted in from the start.
//
// # Safety
//
// A Writer fills a temporary folder next to its destination and renames it when
// complete, so a folder under the final name is whole. Read refuses whatever is
// truncated, inconsistent, not finite or of another kind, with a FormatError
// that names the file, and the row group (one an episode) where it can. What
// Parquet and JSON cannot see, such as another digit in a description, the
// checksums do: of a dataset written here no changed byte is accepted. Whoever
// changes one on purpose removes meta/checksums.json.
package dataset
