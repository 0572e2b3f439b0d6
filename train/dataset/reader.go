package dataset

import (
	"errors"
	"fmt"
	"path/filepath"
	"sort"

	"korr/sim"
)

// Read loads a whole dataset folder into memory. It returns a *FormatError
// naming the file, and the place in it, for a folder that is truncated, changed
// since it was written, inconsistent or not a LeRobot v3.0 dataset of assembly
// demonstrations.
func Read(dir string) (*Dataset, error) {
	d, err := read(dir)
	if err = located(dir, err); err != nil {
		return nil, err
	}
	return d, nil
}

func read(dir string) (*Dataset, error) {
	j, info, err := readInfo(dir)
	if err != nil {
		return nil, err
	}
	if info.Task, err = readTask(dir); err != nil {
		return nil, err
	}
	d := &Dataset{Path: dir, Info: info}
	path := filepath.Join(dir, statsPath)
	if err := readJSON(path, &d.Stats); err != nil {
		return nil, &FormatError{path, err}
	}
	rows, err := readEpisodeRows(dir)
	if err != nil {
		return nil, err
	}
	if len(rows) != j.TotalEpisodes {
		return nil, &FormatError{filepath.Join(dir, episodesDir), fmt.Errorf("describes %d episodes, info.json %d", len(rows), j.TotalEpisodes)}
	}
	return d, d.readData(dir, j, rows)
}

func readTask(dir string) (string, error) {
	path := filepath.Join(dir, tasksPath)
	t, err := openTable(path, path)
	if err != nil {
		return "", err
	}
	defer t.close()
	// pandas calls an index without a name "__index_level_0__".
	name := "task"
	if !t.has(name) {
		name = "__index_level_0__"
	}
	tasks, err := t.strings(name, 0)
	if err != nil {
		return "", err
	}
	if len(tasks) != 1 || tasks[0] == "" {
		return "", &FormatError{path, fmt.Errorf("lists the tasks %q, want one", tasks)}
	}
	return tasks[0], nil
}

// episodeRow is a row of meta/episodes as read.
type episodeRow struct {
	length, from, to int64
	pos              filePos
	origin           Episode // its per-episode fields only
}

// readEpisodeRows reads all files of meta/episodes, ordered by episode.
func readEpisodeRows(dir string) ([]episodeRow, error) {
	root := filepath.Join(dir, episodesDir)
	files, err := filepath.Glob(filepath.Join(root, "*", "*.parquet"))
	if err != nil || len(files) == 0 {
		return nil, &FormatError{root, errors.New("holds no Parquet file: the dataset is incomplete")}
	}
	sort.Strings(files)
	var rows []episodeRow
	for _, f := range files {
		if err := readEpisodeFile(f, &rows); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func readEpisodeFile(path string, rows *[]episodeRow) error {
	t, err := openTable(path, path)
	if err != nil {
		return err
	}
	defer t.close()
	ints := map[string][]int64{}
	for _, name := range []string{"episode_index", "length", "dataset_from_index", "dataset_to_index", "data/chunk_index", "data/file_index"} {
		if ints[name], err = t.ints(name); err != nil {
			return err
		}
	}
	o, err := readOrigins(t)
	if err != nil {
		return err
	}
	for i, index := range ints["episode_index"] {
		if index != int64(len(*rows)) {
			return &FormatError{path, fmt.Errorf("row %d is episode %d, want %d", i, index, len(*rows))}
		}
		*rows = append(*rows, episodeRow{
			length: ints["length"][i], from: ints["dataset_from_index"][i], to: ints["dataset_to_index"][i],
			pos: filePos{ints["data/chunk_index"][i], ints["data/file_index"][i]}, origin: o[i],
		})
	}
	return nil
}

// readOrigins reads our own columns; a dataset recorded by other software
// lacks them, and its episodes have zero values there.
func readOrigins(t *table) ([]Episode, error) {
	o := make([]Episode, t.rows())
	for name, set := range map[string]func(e *Episode, s string){
		colRandomness: func(e *Episode, s string) { e.Randomness = s },
		colSimulator:  func(e *Episode, s string) { e.Simulator = s },
		colDomain:     func(e *Episode, s string) { e.Domain = s },
	} {
		if !t.has(name) {
			continue
		}
		v, err := t.strings(name, 0)
		if err != nil {
			return nil, err
		}
		for i := range o {
			set(&o[i], v[i])
		}
	}
	for name, set := range map[string]func(e *Episode, x float64){
		colPerturb:   func(e *Episode, x float64) { e.Perturb = x },
		colExecNoise: func(e *Episode, x float64) { e.ExecNoise = x },
	} {
		if !t.has(name) {
			continue
		}
		v, err := t.float64s(name)
		if err != nil {
			return nil, err
		}
		for i := range o {
			set(&o[i], v[i])
		}
	}
	if !t.has(colSeed) {
		return o, nil
	}
	seeds, err := t.ints(colSeed)
	if err != nil {
		return nil, err
	}
	for i := range o {
		o[i].Seed = uint64(seeds[i])
	}
	return o, nil
}

// readData reads the data files in the order of their episodes.
func (d *Dataset) readData(dir string, j infoJSON, rows []episodeRow) error {
	var total int64
	for first := 0; first < len(rows); {
		last := first
		for last < len(rows) && rows[last].pos == rows[first].pos {
			last++
		}
		rel, err := dataFile(j.DataPath, rows[first].pos.chunk, rows[first].pos.file)
		if err != nil {
			return &FormatError{filepath.Join(dir, infoPath), err}
		}
		if err := d.readDataFile(filepath.Join(dir, rel), rows[first:last], total); err != nil {
			return err
		}
		total = rows[last-1].to
		first = last
	}
	if total != int64(j.TotalFrames) {
		return &FormatError{filepath.Join(dir, infoPath), fmt.Errorf("promises %d frames, the episodes have %d", j.TotalFrames, total)}
	}
	return nil
}

// readDataFile reads the episodes of one file; from is the dataset's index of
// its first frame.
func (d *Dataset) readDataFile(path string, rows []episodeRow, from int64) error {
	bad := func(format string, a ...any) error { return &FormatError{path, fmt.Errorf(format, a...)} }
	first, at := from, len(d.Episodes)
	for i, r := range rows {
		if r.from != from || r.length < 1 || r.to-r.from != r.length {
			return bad("episode %d claims frames %d to %d and length %d, want them to start at %d", at+i, r.from, r.to, r.length, from)
		}
		from = r.to
	}
	t, err := openTable(path, path)
	if err != nil {
		return err
	}
	defer t.close()
	if int64(t.rows()) != from-first {
		return bad("has %d frames, its %d episodes %d", t.rows(), len(rows), from-first)
	}
	var all Episode
	for _, c := range []struct {
		name  string
		width int
		dst   *[]float32
	}{
		{featState, d.Info.StateDim(), &all.State},
		{featEnv, d.Info.EnvDim(), &all.Env},
		{featAction, sim.ActDim, &all.Action},
		{featExecuted, sim.ActDim, &all.Executed},
		{featReward, 0, &all.Reward},
	} {
		if *c.dst, err = t.floats(c.name, c.width); err != nil {
			return err
		}
	}
	success, err := t.bools(featSuccess)
	if err != nil {
		return err
	}
	episode, err := t.ints(featEpisodeIndex)
	if err != nil {
		return err
	}
	for i, r := range rows {
		a, b := int(r.from-first), int(r.to-first)
		for k := a; k < b; k++ {
			if episode[k] != int64(at+i) {
				return bad("row %d belongs to episode %d, want %d", k, episode[k], at+i)
			}
		}
		e := r.origin
		e.State, e.Env = part(all.State, d.Info.StateDim(), a, b), part(all.Env, d.Info.EnvDim(), a, b)
		e.Action, e.Executed = part(all.Action, sim.ActDim, a, b), part(all.Executed, sim.ActDim, a, b)
		e.Reward, e.Success = part(all.Reward, 1, a, b), success[b-1]
		if err := e.Check(d.Info); err != nil {
			return bad("episode %d: %w", at+i, err)
		}
		d.Episodes = append(d.Episodes, e)
	}
	return nil
}

// part is rows a to b of v with a width, capped so that appending to it
// cannot reach the next episode.
func part(v []float32, width, a, b int) []float32 { return v[a*width : b*width : b*width] }
