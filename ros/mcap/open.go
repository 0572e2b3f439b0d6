package mcap

import (
	"strings"

	"korr/internal/regular"
	"korr/ros/record"
)

// OpenAny opens an MCAP file, or a bag, as its first bytes say; a file that is neither by its name.
func OpenAny(path string, recover bool) (record.Source, error) {
	is := strings.HasSuffix(path, ".mcap") || strings.HasSuffix(path, ".mcap"+activeSuffix)
	if f, _, err := regular.Open(path); err == nil {
		head := make([]byte, len(magic))
		n, _ := f.Read(head)
		_ = f.Close()
		is = is || IsMCAP(head[:n])
	}
	if !is {
		return record.OpenBag(path, recover)
	}
	r, err := Open(path, Options{Recover: recover})
	if err != nil {
		return nil, err
	}
	return r, nil
}
