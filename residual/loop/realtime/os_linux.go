package realtime

import "golang.org/x/sys/unix"

// mclOnFault locks pages as they are touched: the Go runtime reserves far more than it uses.
const mclOnFault = 4

func lockMemory() error {
	return unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | mclOnFault)
}

func unlockMemory() error { return unix.Munlockall() }

// setAffinity is for the calling thread.
func setAffinity(cpus []int) error {
	var set unix.CPUSet
	for _, c := range cpus {
		set.Set(c)
	}
	return unix.SchedSetaffinity(0, &set)
}

// setFIFO is for the calling thread.
func setFIFO(priority int) error {
	return unix.SchedSetAttr(0, &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO,
		Priority: uint32(priority),
	}, 0)
}
