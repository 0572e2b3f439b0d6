package gallery

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"korr/sim/view"
	"korr/train/dataset"
)

// maxRecordings bounds what Find lists.
const maxRecordings = 200

// Gallery is datasets on disk, read when one of their episodes is opened.
type Gallery struct {
	list []view.Recording
	Dirs []string         // of the datasets, as Recordings lists them
	open *dataset.Dataset // the newest one read
}

var _ view.Library = (*Gallery)(nil)

// infoFile marks a dataset's folder.
const infoFile = "meta/info.json"

// Find lists the datasets at path: a dataset's folder, any file in one, or a folder with datasets in it, up to
// three levels deep.
func Find(path string) (*Gallery, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("recorded episodes: %w", err)
	}
	root := filepath.Clean(path)
	for dir := root; !st.IsDir(); { // a file: the dataset it belongs to
		if dir = filepath.Dir(dir); isDataset(dir) {
			root = dir
			break
		}
		if dir == filepath.Dir(dir) {
			return nil, fmt.Errorf("%s belongs to no LeRobot dataset: there is no %s above it", path, infoFile)
		}
	}
	r := &Gallery{}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && p == root:
			return err
		case len(r.list) == maxRecordings:
			return fs.SkipAll
		case err != nil || !d.IsDir(): // what cannot be read below is not listed
			return nil
		}
		if isDataset(p) {
			if err := r.add(p); err != nil {
				return err
			}
			return fs.SkipDir
		}
		if rel, _ := filepath.Rel(root, p); strings.Count(rel, string(filepath.Separator)) >= 2 {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(r.list) == 0 {
		return nil, fmt.Errorf("%s holds no LeRobot dataset; record one with korr collect", path)
	}
	return r, nil
}

func isDataset(dir string) bool {
	st, err := os.Stat(filepath.Join(dir, infoFile))
	return err == nil && st.Mode().IsRegular()
}

// add lists a dataset; its episodes are counted, not read.
func (r *Gallery) add(dir string) error {
	info, episodes, err := dataset.ReadInfo(dir)
	if err != nil {
		return err
	}
	r.list = append(r.list, view.Recording{Name: filepath.Base(dir), Task: info.Task, Episodes: episodes})
	r.Dirs = append(r.Dirs, dir)
	return nil
}

// Recordings implements view.Library.
func (r *Gallery) Recordings() []view.Recording { return r.list }

// Open implements view.Library.
func (r *Gallery) Open(recording, episode int) (view.Player, error) {
	dir := r.Dirs[recording]
	if r.open == nil || r.open.Path != dir {
		d, err := dataset.Read(dir)
		if err != nil {
			return nil, err
		}
		r.open = d
	}
	if episode >= len(r.open.Episodes) {
		return nil, fmt.Errorf("%s has %d episodes, no number %d", dir, len(r.open.Episodes), episode)
	}
	e := &r.open.Episodes[episode]
	n, width := e.Len(), r.open.Info.ObsDim()
	out := &view.Episode{
		Task: r.open.Info.Task, Title: fmt.Sprintf("%s, episode %d", r.list[recording].Name, episode), Hz: r.open.Info.FPS,
		Obs: make([]float32, n*width), Act: e.Executed, Reward: e.Reward, Success: e.Success,
	}
	for t := range n {
		e.ObsTo(out.Obs[t*width:(t+1)*width], t)
	}
	return view.NewReplay(out)
}
