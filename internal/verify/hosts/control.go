package hosts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"korr/ros/robot"
)

// control runs a control node here and a toy arm on the second host for 20 s, and returns how many of the commands that
// are due at 10 Hz were sent, %. A hold is an error.
func control(f *first) (float64, error) {
	const lasts = 20 * time.Second
	state, err := os.MkdirTemp("", "korr_hosts_state_*")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(state)
	env := append(os.Environ(), fmt.Sprint("ROS_DOMAIN_ID=", f.domain), "XDG_STATE_HOME="+state)
	start := func(args ...string) (cmd *exec.Cmd, out, said *bytes.Buffer, err error) {
		cmd, out, said = exec.Command(args[0], args[1:]...), &bytes.Buffer{}, &bytes.Buffer{}
		cmd.Env, cmd.Stdout, cmd.Stderr = env, out, said
		return cmd, out, said, cmd.Start()
	}
	end := func(cmd *exec.Cmd) error {
		_ = cmd.Process.Signal(syscall.SIGINT)
		return cmd.Wait()
	}
	arm, _, armSaid, err := start(f.there(append(append([]string{}, f.self...), "verify", "faults", "arm",
		"--ros2")...)...)
	if err != nil {
		return 0, err
	}
	defer func() { _ = end(arm) }()
	korr, out, said, err := start(append(append([]string{}, f.self...), "run", "--robot", "ros2", "--yes", "--json",
		"--log-format", "json",
		"--set", "run.tracking_error=0")...) // the toy arm does not reach every pose
	if err != nil {
		return 0, err
	}
	time.Sleep(lasts)
	ended := time.Now()
	_ = end(korr)
	var r robot.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return 0, fmt.Errorf("the control node: %w: %s; the arm: %s", err, said, armSaid)
	}
	var begun time.Time
	for text := range strings.Lines(said.String()) {
		var line struct {
			Time time.Time `json:"time"`
			To   string    `json:"to"`
		}
		if json.Unmarshal([]byte(text), &line) != nil || line.Time.After(ended) {
			continue
		}
		switch line.To {
		case "RUN":
			begun = line.Time
		case "HOLD", "FAULT":
			return 0, errors.New(text)
		}
	}
	if begun.IsZero() || ended.Sub(begun) < lasts/2 {
		return 0, fmt.Errorf("the arm moved for %v: %s", ended.Sub(begun), said)
	}
	return 100 * float64(r.Ticks) / (ended.Sub(begun).Seconds() / period.Seconds()), nil
}
