package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"korr/basepolicy/remote"
	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/configs"
	"korr/internal/regular"
	"korr/internal/tensorfile"
	"korr/train/eval"
)

// journal opens the file that keeps an evaluation's episodes while it runs, in the user's cache. Its name is a digest
// of all that decides an episode: settings, simulator, the policies' checkpoints, and how it is played. It is nil where
// there is no home to put it, or none that can be written.
func (a *app) journal(kind string, policies []string) (*eval.Journal, error) {
	dir := a.CacheDir()
	if dir == "" || slices.ContainsFunc(policies, func(name string) bool {
		return strings.HasPrefix(name,
			remote.Prefix)
	}) {
		return nil, nil // nobody can tell whether a server serves the same policy again
	}
	same := *a.Config
	same.Eval, same.Sim.Workers = eval.Config{}, 0 // the journal's lines name their conditions
	settings, err := configs.YAML(&same)
	if err != nil {
		return nil, err
	}
	what := []string{kind, a.buildSimulator(), string(settings)}
	for _, name := range policies {
		content, err := a.contentOf(name)
		if err != nil {
			return nil, err
		}
		what = append(what, name, content)
	}
	text, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(text)
	j, err := eval.OpenJournal(filepath.Join(dir, "eval", hex.EncodeToString(digest[:12])+".jsonl"))
	if made := (*fs.PathError)(nil); errors.As(err, &made) { // a container's user without a home
		a.Log.Warn("no cache: what is interrupted cannot be resumed; XDG_CACHE_HOME names a folder for it", "err", err)
		return nil, nil
	}
	return j, err
}

// contentOf is the digest of a policy's checkpoint; empty for what is part of this program.
func (a *app) contentOf(name string) (string, error) {
	if name == expertName {
		return "", nil
	}
	path, err := robotcmd.CheckpointPath(name)
	if err != nil || path == "" {
		return "", err
	}
	b, err := regular.Read(path, tensorfile.MaxFileBytes)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(b)
	return hex.EncodeToString(digest[:]), nil
}

// takeUp tells about the episodes of an earlier try, and forgets them unless the evaluation goes on with them.
func (a *app) takeUp(j *eval.Journal, resume bool) {
	switch {
	case j == nil:
		if resume {
			a.Log.Warn("--resume: nothing was kept: there is no home for it, or a policy is behind a server")
		}
	case j.Len() == 0 && resume:
		a.Log.Warn("--resume: there is nothing to go on with: no evaluation under these very settings was interrupted")
	case j.Len() == 0:
	case resume:
		a.Log.Info("going on with an interrupted evaluation", "episodes", j.Len())
	default:
		a.Log.Info("an interrupted evaluation under the same settings is there: --resume would have gone on with it",
			"episodes", j.Len())
		j.Forget()
	}
}

// interrupted reports whether the user ended the command.
func interrupted(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), cli.ErrInterrupted)
}

// labels are the policies' names in tables.
func labels(policies []eval.Policy) (out []string) {
	for _, p := range policies {
		out = append(out, p.Name)
	}
	return out
}
