package hosts

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"korr/internal/report"
)

// Config says how to run.
type Config struct {
	Self []string // runs this program's verb that calls Rows; the folder of the peers is appended
	Only string   // part of the names of the rows to run; "" = all
}

// Row is one thing that was tried.
type Row struct {
	Name   string  `json:"name"`
	Peer   string  `json:"peer"`
	What   string  `json:"what"`            // that Value measures
	Value  float64 `json:"value"`           //
	Bound  float64 `json:"bound,omitempty"` // that Value may not pass; 0 = none
	Unit   string  `json:"unit"`
	Error  string  `json:"error,omitempty"`
	Passed bool    `json:"passed"`
}

// Missing is a row that was not run, and what to install.
type Missing struct {
	Peer string `json:"peer"`
	Why  string `json:"why"`
}

// Report is what came of all rows.
type Report struct {
	Schema  string    `json:"schema"` // korr.ros2/1
	Rows    []Row     `json:"rows"`
	Missing []Missing `json:"missing"`
	Passed  bool      `json:"passed"` // every row that was run; nothing is passed when none was
}

// ErrNetwork means that this machine does not let this user make networks.
var ErrNetwork = errors.New("two network namespaces cannot be made here: run as root, or where users may make them " +
	"(kernel.unprivileged_userns_clone, user.max_net_namespaces), with iproute2 and util-linux installed")

//go:embed peers
var peers embed.FS

// outside runs a command in a new network of its own, as root of it.
func outside(args ...string) []string {
	unshare := []string{"unshare", "--net"}
	if os.Geteuid() != 0 {
		unshare = append(unshare, "--map-root-user")
	}
	return append(unshare, args...)
}

// Run builds the peers, starts the first host and returns what it reports.
func Run(ctx context.Context, c Config) (*Report, error) {
	for _, tool := range []string{"unshare", "nsenter", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNetwork, err)
		}
	}
	probe := outside("ip", "link", "add", "k0", "type", "veth", "peer", "name", "k1")
	if out, err := exec.CommandContext(ctx, probe[0], probe[1:]...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNetwork, strings.TrimSpace(string(out)))
	}
	dir, err := os.MkdirTemp("", "korr_hosts_*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	missing, err := build(ctx, dir)
	if err != nil {
		return nil, err
	}
	args := outside(append(append([]string{}, c.Self...), "--only", c.Only, dir)...)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, io.MultiWriter(&complaint, os.Stderr)
	r := &Report{}
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("the first host: %w: %s", err, strings.TrimSpace(complaint.String()))
	}
	if err := json.Unmarshal(out.Bytes(), r); err != nil {
		return nil, fmt.Errorf("the first host said %q: %w", out.String(), err)
	}
	r.Missing = append(missing, r.Missing...)
	return r, nil
}

// WritePeers writes the sources of the peers into a folder.
func WritePeers(dir string) error {
	files, err := peers.ReadDir("peers")
	if err != nil {
		return err
	}
	for _, f := range files {
		text, err := peers.ReadFile("peers/" + f.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name()), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// BuildTrip compiles peers/trip.c, the ends of a round trip, in the folder of the peers, and returns the program.
func BuildTrip(ctx context.Context, dir string) (string, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c",
		"idlc peer.idl && cc -O3 -march=native -ffast-math -o trip trip.c peer.c -I. -lddsc -lm")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s (install cyclonedds-dev, cyclonedds-tools, gcc)", err, firstLine(out))
	}
	return filepath.Join(dir, "trip"), nil
}

func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}

// build compiles the peers into a folder, and says what it cannot.
func build(ctx context.Context, dir string) (missing []Missing, err error) {
	if err := WritePeers(dir); err != nil {
		return nil, err
	}
	for _, p := range []struct{ peer, script, install string }{
		{Cyclone, "idlc peer.idl && cc -O1 -o cyclone cyclone.c peer.c -I. -lddsc", "cyclonedds-dev, cyclonedds-tools, gcc"},
		{FastDDS, "g++ -O0 -o fastdds fastdds.cpp -lfastrtps -lfastcdr", "libfastrtps-dev, libfastcdr-dev, g++"},
		{ddsperf, "command -v ddsperf", "cyclonedds-tools"},
		{nft, "command -v nft", "nftables"},
	} {
		cmd := exec.CommandContext(ctx, "sh", "-c", p.script)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			missing = append(missing, Missing{p.peer, fmt.Sprintf("install %s (%s)", p.install, firstLine(out))})
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, p.peer+".here"), nil, 0o600); err != nil {
			return nil, err
		}
	}
	return missing, ctx.Err()
}

// Verdict says whether a row failed; empty when none did.
func (r *Report) Verdict() string {
	if r.Passed {
		return ""
	}
	return "a row failed, or none could be tried"
}

// WriteText prints the rows as a table.
func (r *Report) WriteText(w io.Writer) error {
	t := &report.Table{Columns: []report.Column{
		{Name: "tried"},
		{Name: "with"},
		{Name: "measured"},
		{Name: "value", Right: true},
		{Name: "bound", Right: true},
		{Name: "unit"},
		{Name: ""},
		{Name: "why"},
	}}
	for i := range r.Rows {
		x := &r.Rows[i]
		bound := "-"
		if x.Bound != 0 {
			bound = fmt.Sprintf("%.4g", x.Bound)
		}
		verdict := "ok"
		if !x.Passed {
			verdict = "FAILED"
		}
		t.Add(x.Name, x.Peer, x.What, fmt.Sprintf("%.4g", x.Value), bound, x.Unit, verdict,
			strings.ReplaceAll(x.Error, "\n", " "))
	}
	if err := t.WriteText(w); err != nil {
		return err
	}
	for _, m := range r.Missing {
		if _, err := fmt.Fprintf(w, "not tried: what needs %s: %s\n", m.Peer, m.Why); err != nil {
			return err
		}
	}
	return nil
}
