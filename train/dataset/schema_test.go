package dataset

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// TestInfoJSON checks the keys lerobot reads, with their JSON types.
func TestInfoJSON(t *testing.T) {
	dir := write(t, testDataset(5, 4))
	var j map[string]any
	if err := readJSON(filepath.Join(dir, infoPath), &j); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"codebase_version": "v3.0", "fps": 10.0, "robot_type": "franka_panda", "total_episodes": 2.0, "total_frames": 9.0,
		"total_tasks": 1.0, "chunks_size": 1000.0, "data_files_size_in_mb": 100.0, "video_files_size_in_mb": 200.0,
		"data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet", "video_path": nil,
	}
	for k, v := range want {
		if got, ok := j[k]; !ok || got != v {
			t.Errorf("%s is %v, want %v", k, got, v)
		}
	}
	if s := j["splits"].(map[string]any); s["train"] != "0:2" {
		t.Errorf("splits %v", s)
	}
	f := j["features"].(map[string]any)
	if len(f) != 12 {
		t.Errorf("%d features, want 12", len(f))
	}
	state := f["observation.state"].(map[string]any)
	if state["dtype"] != "float32" || len(state["names"].([]any)) != 16 || state["shape"].([]any)[0] != 16.0 {
		t.Errorf("observation.state is %v", state)
	}
	env := f["observation.environment_state"].(map[string]any)
	if names := env["names"].([]any); len(names) != 21 || names[7] != "leg1_x" || names[20] != "obstacle_qw" {
		t.Errorf("environment_state names %v", names)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, infoPath)); !strings.Contains(string(b), `"fps": 10,`) {
		t.Error("fps is not written as an integer")
	}
}

// TestParquetSchemas pins the physical layout that pyarrow, pandas and
// datasets expect.
func TestParquetSchemas(t *testing.T) {
	dir := write(t, testDataset(5, 4))
	open := func(rel string) *table {
		tab, err := openTable(filepath.Join(dir, rel), rel)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tab.close() })
		return tab
	}
	data := open("data/chunk-000/file-000.parquet")
	var names []string
	for _, c := range data.pq.Root().Columns() {
		names = append(names, c.Name())
	}
	if !slices.Equal(names, featureNames()) {
		t.Errorf("columns %v, want the features in order %v", names, featureNames())
	}
	if n := len(data.pq.RowGroups()); n != 2 {
		t.Errorf("%d row groups, want one per episode", n)
	}
	text := data.pq.Schema().String()
	for _, want := range []string{
		"required group observation.state (LIST) {\n\t\trepeated group list {\n\t\t\trequired float element;\n\t\t}\n\t}",
		"required float next.reward;", "required boolean next.done;", "required float timestamp;",
		"required int64 episode_index (INT(64,true));",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the data schema lacks %q:\n%s", want, text)
		}
	}
	for _, g := range data.pq.Metadata().RowGroups {
		for _, c := range g.Columns {
			if c.MetaData.Codec.String() != "SNAPPY" {
				t.Errorf("column %v is compressed with %v", c.MetaData.PathInSchema, c.MetaData.Codec)
			}
		}
	}
	episodes := open(episodesPath)
	for _, name := range []string{
		"episode_index", "tasks", "length", "dataset_from_index", "dataset_to_index", "data/chunk_index", "data/file_index",
		"meta/episodes/chunk_index", "meta/episodes/file_index", "stats/action/q50", "stats/next.done/mean",
		"stats/index/count",
		"seed", "randomness", "perturbation", "execution_noise", "simulator", "domain", "recovery",
	} {
		if !episodes.has(name) {
			t.Errorf("meta/episodes lacks the column %s", name)
		}
	}
	if n := len(episodes.leaves); n != 16+12*10 {
		t.Errorf("%d episode columns, want 136", n)
	}
	if mean, err := episodes.floats("stats/action/mean", 10); err != nil || len(mean) != 20 {
		t.Errorf("stats/action/mean: %d values, %v", len(mean), err)
	}
}

// TestTasksIndex checks the metadata by which pandas shows "task" as the index.
func TestTasksIndex(t *testing.T) {
	dir := write(t, testDataset(2))
	tab, err := openTable(filepath.Join(dir, tasksPath), tasksPath)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.close()
	meta, ok := tab.pq.Lookup("pandas")
	if !ok {
		t.Fatal("no pandas metadata")
	}
	var m struct {
		IndexColumns []string `json:"index_columns"`
		Columns      []struct {
			FieldName string `json:"field_name"`
			NumpyType string `json:"numpy_type"`
		} `json:"columns"`
		PandasVersion string `json:"pandas_version"`
	}
	if err := json.Unmarshal([]byte(meta), &m); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.IndexColumns, []string{"task"}) || len(m.Columns) != 2 || m.PandasVersion == "" {
		t.Errorf("pandas metadata %+v", m)
	}
	var columns []string
	for _, c := range tab.pq.Root().Columns() {
		columns = append(columns, c.Name())
		if c.Name() == "task" && c.Type().LogicalType() == nil {
			t.Error("the task is not a string column")
		}
	}
	if !slices.Equal(columns, []string{"task_index", "task"}) {
		t.Errorf("columns %v", columns)
	}
}

func TestStats(t *testing.T) {
	// numpy.quantile([4, 1, 3, 2, 10], q) for q = .01, .1, .5, .9, .99; mean 4, population std sqrt(10)
	s := summarize([]float32{4, 1, 3, 2, 10}, 1)
	want := map[string]float64{
		"min": 1, "max": 10, "mean": 4, "std": math.Sqrt(10),
		"q01": 1.04, "q10": 1.4, "q50": 3, "q90": 7.6, "q99": 9.76,
	}
	for _, st := range s.named() {
		if got := (*st.v)[0]; math.Abs(got-want[st.name]) > 1e-12 {
			t.Errorf("%s = %v, want %v", st.name, got, want[st.name])
		}
	}
	if s.Count[0] != 5 {
		t.Errorf("count %d", s.Count[0])
	}
	two := summarize([]int64{1, 10, 3, 30}, 2)
	if two.Max[1] != 30 || two.Mean[0] != 2 || two.Count[0] != 2 {
		t.Errorf("two dimensions: %+v", two)
	}
	if b := summarize([]bool{true, false}, 1); b.Mean[0] != 0.5 {
		t.Errorf("booleans: %+v", b)
	}
	d := testDataset(30, 20)
	got, err := Read(write(t, d))
	if err != nil {
		t.Fatal(err)
	}
	direct := summarize(d.ActionRows(), 10)
	if !slices.Equal(direct.Q90, got.Stats[featAction].Q90) || !slices.Equal(direct.Std, got.Stats[featAction].Std) {
		t.Error("stats.json differs from the statistics of the data")
	}
}

// TestReadsOtherLayouts reads columns as Python writers lay them out: optional
// values, wider types, other list names, dictionaries.
func TestReadsOtherLayouts(t *testing.T) {
	type row struct {
		State []float64 `parquet:"observation.state,list,optional,dict,zstd"`
		Frame *int32    `parquet:"frame_index,optional,gzip"`
		Done  *bool     `parquet:"next.done,optional"`
	}
	path := filepath.Join(t.TempDir(), "x.parquet")
	one, yes := int32(7), true
	if err := parquet.WriteFile(path, []row{{[]float64{1, 2}, &one, &yes}, {[]float64{3, 4}, &one, &yes}}); err != nil {
		t.Fatal(err)
	}
	tab, err := openTable(path, path)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.close()
	v, err := tab.floats(featState, 2)
	if err != nil || !slices.Equal(v, []float32{1, 2, 3, 4}) {
		t.Errorf("state %v, %v", v, err)
	}
	if f, err := tab.ints(featFrameIndex); err != nil || !slices.Equal(f, []int64{7, 7}) {
		t.Errorf("frame_index %v, %v", f, err)
	}
	if b, err := tab.bools(featDone); err != nil || !slices.Equal(b, []bool{true, true}) {
		t.Errorf("done %v, %v", b, err)
	}

	path = filepath.Join(t.TempDir(), "y.parquet")
	if err := parquet.WriteFile(path, []row{{[]float64{1, 2}, nil, &yes}}); err != nil {
		t.Fatal(err)
	}
	missing, err := openTable(path, path)
	if err != nil {
		t.Fatal(err)
	}
	defer missing.close()
	if _, err := missing.ints(featFrameIndex); err == nil || !strings.Contains(err.Error(), "missing value") {
		t.Errorf("a missing value was read: %v", err)
	}
}
