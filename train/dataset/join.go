package dataset

import (
	"fmt"
	"slices"
	"strings"
)

// ReadAll is Read for the episodes of several folders, one after the other: demonstrations and recoveries, say. They
// must be of one task, at one rate, with the same parts.
func ReadAll(dirs ...string) (*Dataset, error) {
	if len(dirs) == 1 {
		return Read(dirs[0])
	}
	all := &Dataset{Path: strings.Join(dirs, ",")}
	for i, dir := range dirs {
		d, err := Read(dir)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			all.Info = d.Info
		}
		a, b := all.Info, d.Info
		if a.Task != b.Task || a.FPS != b.FPS || !slices.Equal(a.PartNames, b.PartNames) {
			return nil, fmt.Errorf("dataset: %s (%s at %g Hz, parts %v) and %s (%s at %g Hz, parts %v) cannot be learned from "+
				"together",
				dirs[0], a.Task, a.FPS, a.PartNames, dir, b.Task, b.FPS, b.PartNames)
		}
		all.Episodes = append(all.Episodes, d.Episodes...)
	}
	return all, nil
}
