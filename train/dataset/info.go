package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"korr/internal/pyjson"
	"korr/internal/regular"
)

// What LeRobot v3.0 prescribes.
const (
	codebaseVersion = "v3.0"
	chunksSize      = 1000 // files per chunk folder
	dataFileMB      = 100  // size at which a data file is closed
	videoFileMB     = 200
	dataTemplate    = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"

	infoPath     = "meta/info.json"
	statsPath    = "meta/stats.json"
	tasksPath    = "meta/tasks.parquet"
	episodesDir  = "meta/episodes"
	episodesPath = episodesDir + "/chunk-000/file-000.parquet"

	maxJSON = 64 << 20 // bytes; a larger JSON file is not ours
)

// infoJSON is meta/info.json.
type infoJSON struct {
	CodebaseVersion string            `json:"codebase_version"`
	RobotType       *string           `json:"robot_type"`
	TotalEpisodes   int               `json:"total_episodes"`
	TotalFrames     int               `json:"total_frames"`
	TotalTasks      int               `json:"total_tasks"`
	ChunksSize      int               `json:"chunks_size"`
	DataFilesMB     int               `json:"data_files_size_in_mb"`
	VideoFilesMB    int               `json:"video_files_size_in_mb"`
	FPS             float64           `json:"fps"`
	Splits          map[string]string `json:"splits"`
	DataPath        string            `json:"data_path"`
	VideoPath       *string           `json:"video_path"` // null: no videos
	Features        features          `json:"features"`

	orders map[string]order // of the columns of features, as read
}

func newInfoJSON(info Info, episodes, frames int) infoJSON {
	return infoJSON{
		CodebaseVersion: codebaseVersion, RobotType: &info.Robot,
		TotalEpisodes: episodes, TotalFrames: frames, TotalTasks: 1,
		ChunksSize: chunksSize, DataFilesMB: dataFileMB, VideoFilesMB: videoFileMB,
		FPS: info.FPS, Splits: map[string]string{"train": fmt.Sprintf("0:%d", episodes)},
		DataPath: dataTemplate, Features: info.features(),
	}
}

// readInfo reads and checks meta/info.json of a dataset of a task.
func readInfo(dir, task string) (infoJSON, Info, error) {
	var j infoJSON
	path := filepath.Join(dir, infoPath)
	if err := readJSON(path, &j); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			if _, missing := os.Stat(dir); missing != nil {
				return j, Info{}, fmt.Errorf("dataset: there is no folder %s: korr collect makes one: %w", dir, fs.ErrNotExist)
			}
			err = fmt.Errorf("%w: not a LeRobot dataset, or one whose collection was interrupted", err)
		}
		return j, Info{}, &FormatError{path, err}
	}
	info, err := j.check(task)
	if err != nil {
		return j, Info{}, &FormatError{path, err}
	}
	return j, info, nil
}

// check reports a dataset of another kind.
func (j *infoJSON) check(task string) (info Info, err error) {
	if j.CodebaseVersion != codebaseVersion {
		return Info{}, fmt.Errorf("codebase_version %q, want %q: convert it with lerobot first", j.CodebaseVersion,
			codebaseVersion)
	}
	if info, j.orders, err = checkFeatures(j.Features, task); err != nil {
		return Info{}, err
	}
	info.FPS = j.FPS
	if j.RobotType != nil {
		info.Robot = *j.RobotType
	}
	switch {
	case j.FPS <= 0:
		return Info{}, fmt.Errorf("fps is %v", j.FPS)
	case j.TotalEpisodes < 1 || j.TotalFrames < j.TotalEpisodes:
		return Info{}, fmt.Errorf("%d episodes of %d frames in total", j.TotalEpisodes, j.TotalFrames)
	case j.TotalTasks != 1:
		return Info{}, fmt.Errorf("%d tasks, want one task per dataset", j.TotalTasks)
	}
	return info, nil
}

// dataFile is the path of a data file inside the dataset.
func dataFile(template string, chunk, file int64) (string, error) {
	p := strings.NewReplacer(
		"{chunk_index:03d}", fmt.Sprintf("%03d", chunk), "{file_index:03d}", fmt.Sprintf("%03d", file),
	).Replace(template)
	if strings.ContainsAny(p, "{}") || !filepath.IsLocal(p) {
		return "", fmt.Errorf("data_path %q is not understood, want %q", template, dataTemplate)
	}
	return p, nil
}

func readJSON(path string, v any) error {
	b, err := regular.Read(path, maxJSON)
	if err != nil {
		return err
	}
	if b = pyjson.Clean(b); !json.Valid(b) {
		return fmt.Errorf("truncated or not JSON: %w", json.Unmarshal(b, new(any)))
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("not as LeRobot writes it: %w", err)
	}
	return nil
}

// writeJSON writes v the way LeRobot does (indented) and syncs it to disk.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "    ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
