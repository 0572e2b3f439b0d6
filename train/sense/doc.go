// Package sense fits and measures the filters of package koopman/filter on a task: it takes the scene from the task,
// plays episodes with true observations, fits the models to them, and compares what different filters make of the
// same episodes seen through an imperfect tracker. No policy is trained for that: the error of a filtered pose
// against the truth, in millimetres and by phase, tells most of what a filter is worth.
package sense
