// Package launch writes what has Slurm or Kubernetes start workers of a queue: an array script and a Job. Neither is
// asked to schedule units: a worker that starts joins the queue, takes what there is, and ends when it has been idle
// for a while; one that is killed or preempted leaves its unit to the others.
package launch
