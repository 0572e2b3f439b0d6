package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"korr/train/unit"
)

// saves stores checkpoints until ctx ends.
func (a *attempt) saves(ctx context.Context, stop context.CancelCauseFunc) {
	least := a.Save
	if least <= 0 {
		least = DefaultSave
	}
	look := time.NewTicker(max(least/4, 50*time.Millisecond))
	defer look.Stop()
	for saved := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		if time.Since(saved) < least {
			continue
		}
		switch stored, err := a.save(ctx); {
		case errors.Is(err, errLate):
			stop(errLate)
			return
		case stored || err != nil:
			saved = time.Now()
		}
	}
}

// newest are the times of the files that decide how far the unit's folder is.
func (a *attempt) newest() map[string]time.Time {
	out := map[string]time.Time{}
	for _, name := range matches(a.dir, a.handler.Checkpoints) {
		if info, err := os.Stat(filepath.Join(a.dir, filepath.FromSlash(name))); err == nil {
			out[name] = info.ModTime()
		}
	}
	return out
}

// moved reports whether now, what newest says, holds something newer than what was saved.
func (a *attempt) moved(now map[string]time.Time) bool {
	for name, t := range now {
		if !a.saved[name].Equal(t) {
			return true
		}
	}
	return false
}

// save stores the folder if it moved on.
func (a *attempt) save(ctx context.Context) (stored bool, err error) {
	a.saving.Lock()
	defer a.saving.Unlock()
	now := a.newest()
	if !a.moved(now) {
		return false, nil
	}
	if err := a.claim.save(ctx, a.dir, matches(a.dir, a.handler.Checkpoints)); err != nil {
		a.log.Warn("the checkpoint is not stored", "err", err)
		return false, err
	}
	a.saved = now
	a.log.Debug("checkpoint stored")
	return true, nil
}

// saveLast stores what an interrupted unit left.
func (a *attempt) saveLast(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancel()
	_, _ = a.save(ctx) // told; without it the unit goes on from the checkpoint before
}

// save stores the unit's folder as its checkpoint; first are the files that decide how far it is.
func (c *claim) save(ctx context.Context, dir string, first []string) error {
	c.mu.Lock()
	name, last := fmt.Sprintf("%s.%d.%d", c.id, c.state.Epoch, c.state.Saves+1), c.state.Checkpoint
	c.mu.Unlock()
	if _, err := c.store.put(ctx, c.store.saves, name, packer(dir, first)); err != nil {
		return err
	}
	err := c.write(ctx, func(s *State) { s.Checkpoint, s.Saves, s.Tries = name, s.Saves+1, 1 })
	switch {
	case err != nil:
		c.store.dropCheckpoint(context.WithoutCancel(ctx), name)
	case last != "":
		c.store.dropCheckpoint(ctx, last)
	}
	return err
}

// restore writes the unit's last checkpoint into a folder, and reports whether there was one.
func (c *claim) restore(ctx context.Context, dir string) (bool, error) {
	name := c.state.Checkpoint
	if name == "" {
		return false, nil
	}
	return true, c.store.read(ctx, c.store.saves, name, func(r io.Reader) error { return unit.Unpack(r, dir) })
}

// dropCheckpoint deletes a checkpoint that nobody needs. What cannot be deleted now stays, and costs room only.
func (s *Store) dropCheckpoint(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := s.saves.Delete(ctx, name); err != nil {
		s.Log.Debug("queue: a checkpoint stays", "name", name, "err", err)
	}
}

// packer writes a folder as a checkpoint.
func packer(dir string, first []string) func(io.Writer) error {
	return func(to io.Writer) error { return unit.Pack(to, dir, first) }
}

// matches lists the files of a folder that fit the patterns, slash-separated, sorted within a pattern. The folder's own
// name is no pattern.
func matches(dir string, patterns []string) (out []string) {
	for _, p := range patterns {
		found, _ := fs.Glob(os.DirFS(dir), p) // the only error is of a pattern that is none
		out = append(out, found...)
	}
	return out
}
