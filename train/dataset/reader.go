package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"korr/sim"
)

// Read loads a whole dataset folder into memory. It returns a *FormatError
// naming the file, and the place in it, for a folder that is truncated, changed
// since it was written, inconsistent or not a LeRobot v3.0 dataset of assembly
// demonstrations.
func Read(dir string) (*Dataset, error) { return ReadAs(dir, "") }

// ReadAs is Read for a dataset whose task has another name in it, such as a sentence; an empty task stands for the
// dataset's own.
func ReadAs(dir, task string) (*Dataset, error) {
	d, err := read(dir, task)
	if err = located(dir, err); err != nil {
		return nil, err
	}
	return d, nil
}

func read(dir, task string) (*Dataset, error) {
	j, info, taskIndex, err := describe(dir, task)
	if err != nil {
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
		return nil, &FormatError{filepath.Join(dir, episodesDir), fmt.Errorf("describes %d episodes, info.json %d", len(rows),
			j.TotalEpisodes)}
	}
	return d, d.readData(dir, j, rows, taskIndex)
}

// describe reads what the folder says of itself; taskIndex is the number of its only task, as stands for its name.
func describe(dir, as string) (j infoJSON, info Info, taskIndex int64, err error) {
	if _, err := os.Stat(filepath.Join(dir, infoPath)); err != nil { // the plainest sign of another folder
		j, info, err = readInfo(dir, "")
		return j, info, 0, err
	}
	task, taskIndex, err := readTask(dir)
	if err != nil {
		return j, info, 0, err
	}
	if as != "" {
		task = as
	}
	j, info, err = readInfo(dir, task)
	return j, info, taskIndex, err
}

// readTask reads the dataset's only task and its number.
func readTask(dir string) (task string, index int64, err error) {
	path := filepath.Join(dir, tasksPath)
	t, err := openTable(path, path)
	if err != nil {
		return "", 0, err
	}
	defer t.close()
	// pandas calls an index without a name "__index_level_0__".
	name := "task"
	if !t.has(name) {
		name = "__index_level_0__"
	}
	tasks, err := t.strings(name, 0)
	if err != nil {
		return "", 0, err
	}
	numbers, err := t.ints(featTaskIndex)
	if err != nil {
		return "", 0, err
	}
	if len(tasks) != 1 || tasks[0] == "" || len(numbers) != 1 {
		return "", 0, &FormatError{path, fmt.Errorf("lists the tasks %q, want one", tasks)}
	}
	return tasks[0], numbers[0], nil
}

// episodeRow is a row of meta/episodes as read.
type episodeRow struct {
	index            int64
	length, from, to int64
	pos              filePos
	origin           Episode // its per-episode fields only
}

// readEpisodeRows reads all files of meta/episodes. Neither the order of the files nor that of their rows means
// anything: the numbers of the episodes do.
func readEpisodeRows(dir string) ([]episodeRow, error) {
	root := filepath.Join(dir, episodesDir)
	files, err := tables(root)
	if err != nil || len(files) == 0 {
		return nil, &FormatError{root, errors.Join(errors.New("holds no Parquet file: the dataset is incomplete"), err)}
	}
	var rows []episodeRow
	for _, f := range files {
		if err := readEpisodeFile(f, &rows); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(rows, func(a, b episodeRow) int { return cmp.Compare(a.index, b.index) })
	for i := range rows {
		if rows[i].index != int64(i) {
			return nil, &FormatError{root, fmt.Errorf("episode %d is missing or there twice: the next of %d is %d", i, len(rows),
				rows[i].index)}
		}
	}
	return rows, nil
}

// tables lists the Parquet files in the folders of a folder. Names that begin with a dot are other software's notes.
func tables(root string) (files []string, err error) {
	folders, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		if !folder.IsDir() || strings.HasPrefix(folder.Name(), ".") {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(root, folder.Name()))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".parquet") && !strings.HasPrefix(e.Name(), ".") {
				files = append(files, filepath.Join(root, folder.Name(), e.Name()))
			}
		}
	}
	return files, nil
}

func readEpisodeFile(path string, rows *[]episodeRow) error {
	t, err := openTable(path, path)
	if err != nil {
		return err
	}
	defer t.close()
	ints := map[string][]int64{}
	for _, name := range []string{
		"episode_index", "length", "dataset_from_index", "dataset_to_index", "data/chunk_index",
		"data/file_index",
	} {
		if ints[name], err = t.ints(name); err != nil {
			return err
		}
	}
	o, err := readOrigins(t)
	if err != nil {
		return err
	}
	for i, index := range ints["episode_index"] {
		*rows = append(*rows, episodeRow{
			index: index, length: ints["length"][i], from: ints["dataset_from_index"][i], to: ints["dataset_to_index"][i],
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
		colRecovery:   func(e *Episode, s string) { e.Recovery = s },
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
func (d *Dataset) readData(dir string, j infoJSON, rows []episodeRow, taskIndex int64) error {
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
		if err := d.readDataFile(filepath.Join(dir, rel), rows[first:last], total, j.orders, taskIndex); err != nil {
			return err
		}
		total = rows[last-1].to
		first = last
	}
	if total != int64(j.TotalFrames) {
		return &FormatError{filepath.Join(dir, infoPath), fmt.Errorf("promises %d frames, the episodes have %d",
			j.TotalFrames, total)}
	}
	return nil
}

// readDataFile reads the episodes of one file; from is the dataset's index of
// its first frame, taskIndex the number of its only task.
func (d *Dataset) readDataFile(path string, rows []episodeRow, from int64, orders map[string]order,
	taskIndex int64,
) error {
	bad := func(format string, a ...any) error { return &FormatError{path, fmt.Errorf(format, a...)} }
	first, at := from, len(d.Episodes)
	for i, r := range rows {
		if r.from != from || r.length < 1 || r.to-r.from != r.length {
			return bad("episode %d claims frames %d to %d and length %d, want them to start at %d", at+i, r.from, r.to,
				r.length, from)
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
		orders[c.name].apply(*c.dst)
	}
	columns, err := t.progress()
	if err != nil {
		return err
	}
	for i, r := range rows {
		a, b := int(r.from-first), int(r.to-first)
		if err := columns.check(a, b, int64(at+i), taskIndex, d.Info.FPS); err != nil {
			return bad("%w", err)
		}
		e := r.origin
		e.State, e.Env = part(all.State, d.Info.StateDim(), a, b), part(all.Env, d.Info.EnvDim(), a, b)
		e.Action, e.Executed = part(all.Action, sim.ActDim, a, b), part(all.Executed, sim.ActDim, a, b)
		e.Reward, e.Success = part(all.Reward, 1, a, b), columns.success[b-1]
		if err := errors.Join(e.Check(d.Info), e.CheckPoses(d.Info)); err != nil {
			return bad("episode %d: %w", at+i, err)
		}
		d.Episodes = append(d.Episodes, e)
	}
	return nil
}

// part is rows a to b of v with a width, capped so that appending to it
// cannot reach the next episode.
func part(v []float32, width, a, b int) []float32 { return v[a*width : b*width : b*width] }
