// Package results makes every table and figure of the documents from seeds: every task, each with an ordinary base
// policy (demonstrations alone) and a robust one (recoveries too), ResiP and KORR on both, over several training seeds,
// and beside them the scripted expert and the shipped weights.
//
//	DIR/TASK/BASE-SEED   everything of one training seed (package pipeline)
//	DIR/results.md       rates, differences of methods, failures by stage, prediction errors: the same for the same seeds
//	DIR/costs.md         wall time and simulator steps of every stage, which is not
//	DIR/results.json     the rows behind the tables
//	DIR/TASK.png         success rates
//
// What is there is not made again, and the tables are written after every training, so that one sees how far it is.
//
// # Intervals
//
// A rate is over all episodes of all seeds, with Wilson's interval: it is about these policies. A difference of two
// methods is the mean over training seeds of the difference of their rates, with Student's interval over the seeds: it
// is about the methods. Two seeds at least are needed for one; a difference whose interval holds zero tells nothing.
package results
