package dataset

import (
	"path/filepath"
)

// Columns of meta/episodes that are ours.
const (
	colSeed       = "seed"
	colRandomness = "randomness"
	colPerturb    = "perturbation"
	colExecNoise  = "execution_noise"
	colSimulator  = "simulator"
	colDomain     = "domain"
	colRecovery   = "recovery" // only in a dataset that has recoveries
)

// writeEpisodes writes meta/episodes, one row an episode.
func (w *Writer) writeEpisodes() error {
	n := len(w.episodes)
	index, length := make([]int64, n), make([]int64, n)
	from, to := make([]int64, n), make([]int64, n)
	chunk, file := make([]int64, n), make([]int64, n)
	task, randomness := make([]string, n), make([]string, n)
	simulator, physics := make([]string, n), make([]string, n)
	recovery, recovered := make([]string, n), false
	seed, perturb, noise := make([]uint64, n), make([]float64, n), make([]float64, n)
	for i, e := range w.episodes {
		index[i], length[i] = int64(i), int64(e.to-e.from)
		from[i], to[i] = int64(e.from), int64(e.to)
		chunk[i], file[i] = e.pos.chunk, e.pos.file
		task[i], randomness[i] = w.info.Task, e.origin.Randomness
		simulator[i], physics[i] = e.origin.Simulator, e.origin.Domain
		recovery[i], recovered = e.origin.Recovery, recovered || e.origin.Recovery != ""
		seed[i], perturb[i], noise[i] = e.origin.Seed, e.origin.Perturb, e.origin.ExecNoise
	}
	cols := []column{
		{"episode_index", 0, index},
		{"tasks", 1, task},
		{"length", 0, length},
		{"data/chunk_index", 0, chunk},
		{"data/file_index", 0, file},
		{"dataset_from_index", 0, from},
		{"dataset_to_index", 0, to},
		{"meta/episodes/chunk_index", 0, make([]int64, n)},
		{"meta/episodes/file_index", 0, make([]int64, n)},
		{colSeed, 0, seed},
		{colRandomness, 0, randomness},
		{colPerturb, 0, perturb},
		{colExecNoise, 0, noise},
		{colSimulator, 0, simulator},
		{colDomain, 0, physics},
	}
	if recovered {
		cols = append(cols, column{colRecovery, 0, recovery})
	}
	return writeTable(filepath.Join(w.tmp, episodesPath), append(cols, w.statColumns()...), nil)
}

// statColumns flattens the statistics of every episode to stats/<feature>/<statistic>.
func (w *Writer) statColumns() []column {
	var cols []column
	for _, name := range featureNames() {
		var count []int64
		for i := range w.episodes {
			count = append(count, w.episodes[i].stats[name].Count...)
		}
		first := w.episodes[0].stats[name]
		for k, st := range first.named() {
			var v []float64
			for i := range w.episodes {
				s := w.episodes[i].stats[name]
				v = append(v, *s.named()[k].v...)
			}
			cols = append(cols, column{"stats/" + name + "/" + st.name, len(first.Min), v})
		}
		cols = append(cols, column{"stats/" + name + "/count", 1, count})
	}
	return cols
}

// totalStats computes the statistics of the whole dataset from the files just
// written, one feature at a time.
func (w *Writer) totalStats() (Stats, error) {
	stats := Stats{}
	for _, name := range featureNames() {
		width := w.info.features()[name].Shape[0]
		values, err := w.readBack(name)
		if err != nil {
			return nil, err
		}
		stats[name] = summarize(values, width)
	}
	return stats, nil
}

func (w *Writer) readBack(name string) (any, error) {
	var reals []float32
	var ints []int64
	var bools []bool
	f := w.info.features()[name]
	width := f.Shape[0]
	if f.scalar() {
		width = 0
	}
	for pos := w.firstPos; ; pos = pos.next() {
		rel, err := dataFile(dataTemplate, pos.chunk, pos.file)
		if err != nil {
			return nil, err
		}
		t, err := openTable(filepath.Join(w.tmp, rel), rel)
		if err != nil {
			return nil, err
		}
		switch f.DType {
		case "float32":
			v, e := t.floats(name, width)
			reals, err = append(reals, v...), e
		case "int64":
			v, e := t.ints(name)
			ints, err = append(ints, v...), e
		case "bool":
			v, e := t.bools(name)
			bools, err = append(bools, v...), e
		}
		if cerr := t.close(); err == nil {
			err = cerr
		}
		if err != nil {
			return nil, err
		}
		if pos == w.pos {
			break
		}
	}
	switch f.DType {
	case "int64":
		return ints, nil
	case "bool":
		return bools, nil
	}
	return reals, nil
}
