// Package unit is work that is done once, by whoever gets to it: a sweep's cell, an evaluation's shard, a stage of a
// longer recipe. A Unit says what is to be done (Kind, Spec), what it reads (Inputs) and which files are its outcome
// (Outputs). A Handler does all units of one kind. An Executor does the units of a Job: Local in this process, one
// after the other, each in its folder; package queue on any number of machines. A verb describes its work once and
// does not know which of them does it.
//
// # How a stage becomes a unit
//
// Register a Handler under a kind of its own and describe the stage:
//
//	collect := unit.Unit{Kind: "collect", Name: "collect", Spec: ..., Outputs: []string{"demos"}, Dir: "runs/all/collect"}
//	base := unit.Unit{
//		Kind: "train-base", Name: "base", Spec: ..., Dir: "runs/all/base",
//		Inputs:  unit.Inputs{"demos": {From: "collect", Output: "demos"}},
//		Outputs: []string{"checkpoints/base.safetensors", "config.yaml", "metrics.jsonl"},
//	}
//	err := executor.Do(ctx, &unit.Job{Name: "train all", Units: []unit.Unit{collect, base}}, done)
//
// The handler reads Task.Decode(&spec) and Task.Input("demos"), a path on whatever machine it runs on, and leaves its
// outputs below Task.Dir. It must not read any other file that the spec names: that file is not on the other machine.
// What it returns is the unit's value, a small JSON object; files that are larger are outputs. An interrupted handler
// returns the context's error and leaves in Dir what it can go on from; the same unit is then done again with that in
// Dir, here or elsewhere.
//
// # Identity
//
// ID is a hash of kind, spec, the content of the inputs and the Platform. Equal units are the same work: the outcome of
// one is that of the other, so the handlers have to be deterministic in what they are given, bit for bit. An input that
// another unit makes (Input.From) enters by that unit's ID, which is known before it is done.
package unit
