package hosts

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The peers.
const (
	Cyclone = "cyclone"
	FastDDS = "fastdds"
	ddsperf = "ddsperf"
	nft     = "nft"
)

// network is the second host, as the first one sees it.
type network struct {
	dir  string // of the peers
	keep *exec.Cmd
	pipe io.Closer // keeps the second host's network alive
}

func run(args ...string) error {
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// connect makes the second host, and the cable: 10.77.0.1 here, 10.77.0.2 there.
func connect(dir string) (_ *network, err error) {
	n := &network{dir: dir, keep: exec.Command("unshare", "--net", "cat")}
	if n.pipe, err = n.keep.StdinPipe(); err != nil {
		return nil, err
	}
	if err := n.keep.Start(); err != nil {
		return nil, err
	}
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if there, err := os.Readlink(n.space()); err == nil && there != here {
			break
		} else if time.Now().After(end) {
			return nil, errors.Join(ErrNetwork, err, n.close())
		}
	}
	for _, there := range []bool{false, true} {
		host := func(args ...string) error {
			if there {
				args = n.there(args...)
			}
			return run(args...)
		}
		name, addr := "k0", "10.77.0.1/24"
		if there {
			name, addr = "k1", "10.77.0.2/24"
		} else if err := run("ip", "link", "add", "k0", "type", "veth", "peer", "name", "k1", "netns",
			strconv.Itoa(n.keep.Process.Pid)); err != nil {
			return nil, errors.Join(err, n.close())
		}
		for _, c := range [][]string{
			{"ip", "link", "set", "lo", "up"},
			{"ip", "addr", "add", addr, "dev", name},
			{"ip", "link", "set", name, "up"},
			{"ip", "route", "add", "224.0.0.0/4", "dev", name},
		} {
			if err := host(c...); err != nil {
				return nil, errors.Join(err, n.close())
			}
		}
	}
	return n, nil
}

func (n *network) space() string { return fmt.Sprintf("/proc/%d/ns/net", n.keep.Process.Pid) }

// there makes a command of the second host.
func (n *network) there(args ...string) []string {
	return append([]string{"nsenter", "--net=" + n.space(), "--"}, args...)
}

func (n *network) close() error {
	err := n.pipe.Close()
	_ = n.keep.Wait()
	return err
}

// has reports whether a peer, or a tool, is here.
func (n *network) has(peer string) bool {
	_, err := os.Stat(filepath.Join(n.dir, peer+".here"))
	return err == nil
}

// lose makes both hosts lose a percentage of the packets that arrive, until the function that it returns is called,
// which says how many were lost.
func (n *network) lose(percent int) (func() (int, error), error) {
	const table = "korr"
	rules := fmt.Sprintf(`table inet %s {
	counter lost { }
	chain in { type filter hook input priority 0; policy accept; meta l4proto udp numgen random mod 100 < %d counter name lost drop; }
}`, table, percent)
	file := filepath.Join(n.dir, "loss.nft")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		return nil, err
	}
	both := func(args ...string) error { return errors.Join(run(args...), run(n.there(args...)...)) }
	if err := both("nft", "-f", file); err != nil {
		return nil, err
	}
	return func() (lost int, err error) {
		for _, args := range [][]string{{"nft", "list", "counter", "inet", table, "lost"}, n.there("nft", "list", "counter",
			"inet", table, "lost")} {
			out, e := exec.Command(args[0], args[1:]...).Output()
			_, text, _ := strings.Cut(string(out), "packets ")
			count := 0
			if _, e2 := fmt.Sscan(text, &count); e == nil {
				e = e2
			}
			err = errors.Join(err, e)
			lost += count
		}
		return lost, errors.Join(err, both("nft", "delete", "table", "inet", table))
	}, nil
}

// program is a peer that runs on the second host.
type program struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	said chan string // its lines; closed at its end
	once sync.Once
}

// start starts a peer in a mode and waits until it is up.
func (n *network) start(peer string, domain int, mode string) (*program, error) {
	p, err := n.launch(filepath.Join(n.dir, peer), strconv.Itoa(domain), mode)
	if err != nil {
		return nil, err
	}
	if line, err := p.line(time.Minute); err != nil || line != "up" {
		p.kill()
		return nil, fmt.Errorf("%s %s said %q instead of being up: %w", peer, mode, line, err)
	}
	return p, nil
}

// launch starts a program on the second host.
func (n *network) launch(args ...string) (*program, error) {
	args = n.there(args...)
	p := &program{cmd: exec.Command(args[0], args[1:]...), said: make(chan string, 1000)}
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		p.in, err = p.cmd.StdinPipe()
	}
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.said)
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case p.said <- s.Text():
			default: // nobody reads on
			}
		}
	}()
	return p, nil
}

// line is the next line that the program says.
func (p *program) line(limit time.Duration) (string, error) {
	select {
	case l, ok := <-p.said:
		if !ok {
			return "", errors.New("it has ended")
		}
		return l, nil
	case <-time.After(limit):
		return "", fmt.Errorf("nothing within %v", limit)
	}
}

// stop lets the program end.
func (p *program) stop() {
	p.once.Do(func() {
		_ = p.in.Close()
		for range p.said { // until its end
		}
		_ = p.cmd.Wait()
	})
}

// kill ends the program at once, as kill -9 does; nsenter has become the program.
func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	p.stop()
}
