package robotcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"korr/internal/atomicfile"
	"korr/ros/names"
	"korr/ros/robot"
)

// faultNote is a file that stays while a node's fault was not reset, so that a node that is started again, by a launch
// file or by systemd, does not move by itself.
type faultNote string

// newFaultNote is the note of a node at a master or rosbridge server.
func newFaultNote(n *names.Names, link string) (faultNote, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".local", "state")
	}
	dir = filepath.Join(dir, "korr", "faults")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return faultNote(filepath.Join(dir, url.PathEscape(link+n.Node))), nil
}

// read is what the note says, "" if there is none.
func (f faultNote) read() string {
	data, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		return err.Error()
	}
	return "a fault: " + strings.TrimSpace(string(data))
}

func (f faultNote) write(fault error) error {
	return atomicfile.Write(string(f), []byte(fault.Error()+"\n"))
}

func (f faultNote) remove() error {
	if err := os.Remove(string(f)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// rememberFaults keeps a note of a fault until it is reset. Whoever was asked and agreed has seen that it is gone.
func (o *runOptions) rememberFaults(rc *robot.Config) {
	if o.passive() || o.lockStep || o.episodes > 0 {
		return
	}
	link := rc.Names.MasterURI
	switch {
	case rc.URL != "":
		link = rc.URL
	case rc.Names.ROS2 != nil:
		link = fmt.Sprintf("ros2:%d", rc.Names.ROS2.Domain)
	}
	note, err := newFaultNote(rc.Names, link)
	if err == nil && o.mustAsk() {
		err = note.remove()
	}
	if err != nil {
		o.Log.Warn("a fault cannot be remembered for when this node is started again", "err", err)
		return
	}
	rc.Faulted = note.read()
	rc.OnFault = func(fault error) {
		if err := note.write(fault); err != nil {
			o.Log.Warn("the fault cannot be remembered for when this node is started again", "err", err)
		}
	}
	rc.OnReset = func() {
		if err := note.remove(); err != nil {
			o.Log.Warn("the note of the fault stays", "err", err)
		}
	}
}

// newFile creates the file of a name that is free: name.jsonl, name-2.jsonl, and so on, so that no flight record is
// ever overwritten. What is no regular file, such as a pipe, is opened as it is. done closes the file, and removes it
// when nothing was written.
func newFile(path string) (f *os.File, done func() error, err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, nil, err
		}
		return f, f.Close, nil
	}
	ext := filepath.Ext(path)
	for n, name := 2, path; ; n++ {
		f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			break
		}
		name = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(path, ext), n, ext)
	}
	if err != nil {
		return nil, nil, err
	}
	return f, func() error {
		info, err := f.Stat()
		if err == nil && info.Size() == 0 {
			err = os.Remove(f.Name())
		}
		return errors.Join(err, f.Close())
	}, nil
}
