// Package run keeps what a training run leaves on disk: one folder with
//
//	config.yaml      the resolved configuration it was started with
//	metrics.jsonl    one JSON object a line: step, wall_s and the metrics
//	checkpoints/     safetensors files
//	events.out.*     the metrics again, for TensorBoard, when that is asked for
//
// Every file is replaced as a whole, through a temporary file and a rename,
// except metrics.jsonl, which grows by whole lines. A line torn by a crash is
// cut off when the folder is opened again, and so are lines of steps after the
// checkpoint a run resumes from, which it is about to record again.
package run
