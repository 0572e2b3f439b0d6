// Package pipeline trains every policy of a task, from nothing to a table: demonstrations, base policy, Koopman model,
// residual, evaluation. Each stage is a unit (package unit): this process does them one after the other, or a queue's
// workers do; Run puts them in order in one folder and goes on where it stopped.
//
//	DIR/config.yaml      the settings that Run was started with
//	DIR/demos            demonstrations (package dataset), unless they come from elsewhere
//	DIR/first            the base policy that recoveries start from, and
//	DIR/recoveries       what the expert does where that policy has failed: only when recoveries are asked for
//	DIR/base             run folders (package run) of the stages
//	DIR/koopman
//	DIR/korr, DIR/resip
//	DIR/checkpoints      base, koopman, korr and resip as they ended
//	DIR/collect.json     the simulator steps of collecting; recoveries.json those of recoveries
//	DIR/stages.json      what each finished stage took
//	DIR/evaluation.json  what the policies did, episode by episode
//	DIR/report.html      the table, the learning curves, the prediction errors, and DIR/*.png
//
// A killed process loses at most the stage it was in, and of a residual's training what was done since its last
// checkpoint.
//
// What a task and its demonstrations decide is not asked for: see Derive.
package pipeline
