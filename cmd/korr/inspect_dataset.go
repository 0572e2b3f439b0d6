package main

import (
	"path/filepath"

	"korr/train/dataset"
	"korr/train/episodes"
)

// inspectDataset reads a dataset as a whole and prints what is in it.
func (a *app) inspectDataset(name string) error {
	d, err := dataset.Read(filepath.Clean(name))
	if err != nil {
		return err
	}
	r, err := episodes.Summarise(name, d)
	if err != nil {
		return err
	}
	return a.Print(r)
}
