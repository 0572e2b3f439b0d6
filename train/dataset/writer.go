package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"korr/internal/atomicfile"
	"korr/sim"
)

// pandasTaskIndex is the schema metadata by which pandas takes the column
// "task" of tasks.parquet for the index.
const pandasTaskIndex = `{"index_columns": ["task"], ` +
	`"column_indexes": [{"name": null, "field_name": null, "pandas_type": "unicode", "numpy_type": "object", "metadata": {"encoding": "UTF-8"}}], ` +
	`"columns": [{"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64", "metadata": null}, ` +
	`{"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object", "metadata": null}], ` +
	`"creator": {"library": "korr", "version": "1"}, "pandas_version": "2.2.0"}`

// Writer writes a dataset folder, episode by episode. Until Close it lives in a
// temporary folder beside its destination. It belongs to one goroutine.
type Writer struct {
	dir  string   // destination
	tmp  string   // where it is written
	held *os.File // the folder tmp, so that nobody takes it for a killed process's
	info Info

	data     *tableWriter
	firstPos filePos // of the first data file
	pos      filePos // of the current one
	bytes    int     // uncompressed, in the current data file
	maxBytes int     // at which the file is closed
	err      error   // sticky

	episodes []episodeMeta
	frames   int
	replaces bool // the dataset at dir; see Extend
}

// filePos numbers a data file.
type filePos struct{ chunk, file int64 }

// next is the file after p: chunksSize files to a folder.
func (p filePos) next() filePos {
	if p.file == chunksSize-1 {
		return filePos{p.chunk + 1, 0}
	}
	return filePos{p.chunk, p.file + 1}
}

// episodeMeta is one row of meta/episodes.
type episodeMeta struct {
	from, to int // frames of the whole dataset
	pos      filePos
	stats    Stats
	origin   Episode // its per-episode fields only
}

// Create starts a dataset at dir, which must not exist.
func Create(dir string, info Info) (*Writer, error) {
	switch {
	case info.Task == "" || len(info.PartNames) == 0 || info.FPS <= 0:
		return nil, fmt.Errorf("dataset %s: task, parts and fps must be given", dir)
	case exists(dir):
		return nil, fmt.Errorf("dataset %s: %w: choose another path or remove it", dir, fs.ErrExist)
	}
	return create(dir, info)
}

// create starts a dataset for dir, whatever is there.
func create(dir string, info Info) (*Writer, error) {
	if err := os.MkdirAll(filepath.Dir(filepath.Clean(dir)), 0o755); err != nil {
		return nil, fmt.Errorf("dataset %s: %w", dir, err)
	}
	tmp, held, err := atomicfile.TempDir(dir)
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", dir, err)
	}
	return &Writer{dir: dir, tmp: tmp, held: held, info: info, maxBytes: dataFileMB << 20}, nil
}

// Append writes an episode. A bad episode is refused and leaves the dataset as
// it was; after a failed write the dataset can only be aborted.
func (w *Writer) Append(e *Episode) error {
	if w.err != nil {
		return w.err
	}
	if err := e.Check(w.info); err != nil {
		return fmt.Errorf("dataset %s: episode %d: %w", w.dir, len(w.episodes), err)
	}
	cols := w.columns(e)
	if err := w.appendData(cols); err != nil {
		w.err = fmt.Errorf("dataset %s: write episode %d: %w", w.dir, len(w.episodes), err)
		return w.err
	}
	stats := Stats{}
	for _, c := range cols {
		stats[c.name] = summarize(c.values, max(1, c.width))
	}
	w.episodes = append(w.episodes, episodeMeta{
		from: w.frames, to: w.frames + e.Len(), pos: w.pos, stats: stats,
		origin: Episode{
			Success: e.Success, Seed: e.Seed, Randomness: e.Randomness,
			Perturb: e.Perturb, ExecNoise: e.ExecNoise, Simulator: e.Simulator, Domain: e.Domain, Recovery: e.Recovery,
		},
	})
	w.frames += e.Len()
	return nil
}

// columns lays an episode out as the columns of a data file.
func (w *Writer) columns(e *Episode) []column {
	n := e.Len()
	done, success := make([]bool, n), make([]bool, n)
	done[n-1], success[n-1] = true, e.Success
	stamp := make([]float32, n)
	frame, episode, index := make([]int64, n), make([]int64, n), make([]int64, n)
	for t := range n {
		stamp[t] = float32(float64(t) / w.info.FPS)
		frame[t], episode[t], index[t] = int64(t), int64(len(w.episodes)), int64(w.frames+t)
	}
	return []column{
		{featState, w.info.StateDim(), e.State},
		{featEnv, w.info.EnvDim(), e.Env},
		{featAction, sim.ActDim, e.Action},
		{featExecuted, sim.ActDim, e.Executed},
		{featReward, 0, e.Reward},
		{featDone, 0, done},
		{featSuccess, 0, success},
		{featTimestamp, 0, stamp},
		{featFrameIndex, 0, frame},
		{featEpisodeIndex, 0, episode},
		{featIndex, 0, index},
		{featTaskIndex, 0, make([]int64, n)},
	}
}

// appendData writes one row group, into a new file when the current one is full.
func (w *Writer) appendData(cols []column) error {
	if w.data != nil && w.bytes >= w.maxBytes {
		if err := w.closeData(); err != nil {
			return err
		}
		w.pos = w.pos.next()
	}
	if w.data == nil {
		rel, err := dataFile(dataTemplate, w.pos.chunk, w.pos.file)
		if err != nil {
			return err
		}
		if w.data, err = createTable(filepath.Join(w.tmp, rel), cols, nil); err != nil {
			return err
		}
	}
	rows := len(cols[len(cols)-1].values.([]int64))
	w.bytes += rows * (4*(w.info.ObsDim()+2*sim.ActDim+2) + 2 + 4*8)
	return w.data.append(cols)
}

func (w *Writer) closeData() error {
	d := w.data
	w.data, w.bytes = nil, 0
	return d.close()
}

// Close completes the dataset and renames it to its destination. On an error
// the temporary folder stays for inspection; Abort removes it.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	err := w.finish()
	_ = w.held.Close()
	if err != nil {
		w.err = fmt.Errorf("dataset %s: %w", w.dir, err)
		return w.err
	}
	w.err = fmt.Errorf("dataset %s: %w", w.dir, fs.ErrClosed)
	return nil
}

func (w *Writer) finish() error {
	if len(w.episodes) == 0 {
		return errors.New("no episodes to save")
	}
	if err := w.closeData(); err != nil {
		return err
	}
	if err := w.writeEpisodes(); err != nil {
		return err
	}
	tasks := []column{{"task_index", 0, []int64{0}}, {"task", 0, []string{w.info.Task}}}
	if err := writeTable(filepath.Join(w.tmp, tasksPath), tasks,
		map[string]string{"pandas": pandasTaskIndex}); err != nil {
		return err
	}
	stats, err := w.totalStats()
	if err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(w.tmp, statsPath), stats); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(w.tmp, infoPath), newInfoJSON(w.info, len(w.episodes), w.frames)); err != nil {
		return err
	}
	if err := writeChecksums(w.tmp); err != nil {
		return err
	}
	if !w.replaces && exists(w.dir) {
		return fmt.Errorf("%w: it appeared meanwhile", fs.ErrExist)
	}
	if err := os.Chmod(w.tmp, 0o755); err != nil {
		return err
	}
	return w.takePlace()
}

// Abort removes what was written so far. After a successful Close it does nothing.
func (w *Writer) Abort() error {
	var err error
	if w.data != nil {
		err = w.data.file.Close()
		w.data = nil
	}
	if w.err == nil {
		w.err = fmt.Errorf("dataset %s: %w", w.dir, fs.ErrClosed)
	}
	_ = w.held.Close()
	return errors.Join(err, os.RemoveAll(w.tmp))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// Write saves a dataset in memory to dir, which must not exist.
func Write(dir string, d *Dataset) error {
	w, err := Create(dir, d.Info)
	if err != nil {
		return err
	}
	for i := range d.Episodes {
		if err := w.Append(&d.Episodes[i]); err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	if err := w.Close(); err != nil {
		return errors.Join(err, w.Abort())
	}
	return nil
}
