package eval

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"korr/internal/regular"
)

// Journal keeps the episodes of an evaluation in a file, a line of JSON each, as they are played: an evaluation that
// was interrupted goes on with it. The file belongs to one evaluation; what tells evaluations apart is the caller's to
// put into its name. Its methods may be called from several goroutines.
type Journal struct {
	path  string
	mu    sync.Mutex
	known map[journalKey]Episode
	file  *os.File // nil until the first episode
	fresh bool     // nothing of the file is used
}

type journalKey struct {
	condition Condition
	policy    string
	seed      uint64
}

// journalLine is an episode in the file.
type journalLine struct {
	Condition Condition `json:"condition"`
	Policy    string    `json:"policy"`
	record
}

// OpenJournal reads the journal at path, if there is one; a torn last line is left out. Nothing is written before the
// first episode.
func OpenJournal(path string) (*Journal, error) {
	j := &Journal{path: path, known: map[journalKey]Episode{}}
	text, err := regular.Read(path, regular.Records)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	for n := 1; len(text) > 0; n++ {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		var l journalLine
		err := json.Unmarshal(line, &l)
		switch {
		case !whole:
			return j, nil
		case err != nil:
			return nil, fmt.Errorf("journal %s line %d: %w: delete the file to start again", path, n, err)
		}
		j.known[journalKey{l.Condition, l.Policy, l.Seed}] = l.episode()
		text = rest
	}
	return j, nil
}

// Len is the number of episodes in the journal.
func (j *Journal) Len() int {
	if j == nil {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.known)
}

// Forget leaves out what was read: the evaluation starts again.
func (j *Journal) Forget() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.known, j.fresh = map[journalKey]Episode{}, true
}

// find is an episode that was played before.
func (j *Journal) find(c Condition, policy string, seed uint64) (Episode, bool) {
	if j == nil {
		return Episode{}, false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	e, ok := j.known[journalKey{c, policy, seed}]
	return e, ok
}

// add keeps an episode.
func (j *Journal) add(c Condition, policy string, e Episode) error {
	if j == nil {
		return nil
	}
	text, err := json.Marshal(journalLine{c, policy, newRecord(e)})
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.path, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.known[journalKey{c, policy, e.Seed}] = e
	if j.file == nil {
		if err := j.create(); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	if _, err := j.file.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("journal %s: %w", j.path, err)
	}
	return nil
}

// create opens the file behind its last whole line.
func (j *Journal) create() error {
	if err := os.MkdirAll(filepath.Dir(j.path), 0o755); err != nil {
		return err
	}
	flags := os.O_CREATE | os.O_RDWR
	if j.fresh {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(j.path, flags, 0o644)
	if err != nil {
		return err
	}
	text, err := regular.Read(j.path, regular.Records)
	if err == nil {
		end := int64(bytes.LastIndexByte(text, '\n') + 1)
		if err = f.Truncate(end); err == nil {
			_, err = f.Seek(end, 0)
		}
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	j.file = f
	return nil
}

// Close closes the file. done says that the evaluation is complete, so that nobody needs the file.
func (j *Journal) Close(done bool) error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var err error
	if j.file != nil {
		err = j.file.Close()
		j.file = nil
	}
	if done {
		if rm := os.Remove(j.path); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
			err = errors.Join(err, rm)
		}
	}
	return err
}

// Cells are the episodes of an evaluation that are in the journal: of every policy under every condition those that
// come first, up to one that is not there, so that the policies are still compared on the same seeds. Cells without any
// are left out.
func (j *Journal) Cells(conditions []Condition, policies []string, seed uint64, episodes int) (cells []Cell) {
	for _, c := range conditions {
		for _, p := range policies {
			cell := Cell{Condition: c, Policy: p}
			for i := range episodes {
				e, ok := j.find(c, p, EpisodeSeed(seed, i))
				if !ok {
					break
				}
				cell.Episodes = append(cell.Episodes, e)
			}
			if len(cell.Episodes) > 0 {
				cells = append(cells, cell)
			}
		}
	}
	return cells
}
