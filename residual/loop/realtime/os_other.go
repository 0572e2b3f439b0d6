//go:build !linux

package realtime

import "errors"

var errLinux = errors.New("only Linux can")

func lockMemory() error       { return errLinux }
func unlockMemory() error     { return errLinux }
func setAffinity([]int) error { return errLinux }
func setFIFO(int) error       { return errLinux }
