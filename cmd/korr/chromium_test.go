package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// browserTab is a page in a headless Chromium, driven over the DevTools protocol.
type browserTab struct {
	t    *testing.T
	conn *websocket.Conn
	id   int
	logs []string // uncaught errors and console messages of the page
}

var devTools = regexp.MustCompile(`ws://(127\.0\.0\.1:\d+)/`)

// openTab starts Chromium with software WebGL and opens a page of that size. It skips the test where there is none.
func openTab(t *testing.T, page string, width, height int) *browserTab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium here: install Debian's chromium to test the page in a browser")
	}
	profile, err := os.MkdirTemp("", "korr-chromium")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless=new", "--no-sandbox", "--remote-debugging-port=0", "--remote-allow-origins=*",
		"--use-angle=swiftshader",
		"--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio",
		"--hide-scrollbars",
		fmt.Sprintf("--window-size=%d,%d", width, height), "--user-data-dir="+profile, "about:blank")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Chromium is many processes, which end together
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("chromium does not start: %v", err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		_ = os.RemoveAll(profile)
	})
	found := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if m := devTools.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
				break
			}
		}
		_, _ = io.Copy(io.Discard, stderr)
	}()
	select {
	case addr := <-found:
		return attach(t, addr, page, width, height)
	case <-time.After(60 * time.Second):
		t.Fatal("chromium did not open its debugging port within a minute")
	}
	return nil
}

func attach(t *testing.T, addr, page string, width, height int) *browserTab {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, "http://"+addr+"/json/new?"+url.QueryEscape("about:blank"), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var target struct {
		URL string `json:"webSocketDebuggerUrl"`
	}
	if err := json.NewDecoder(res.Body).Decode(&target); err != nil {
		t.Fatal(err)
	}
	conn, _, err := websocket.DefaultDialer.Dial(target.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	b := &browserTab{t: t, conn: conn}
	b.call("Runtime.enable", nil)
	b.call("Log.enable", nil)
	b.call("Page.enable", nil)
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": width, "height": height, "deviceScaleFactor": 1,
		"mobile": false,
	})
	b.call("Page.navigate", map[string]any{"url": page})
	return b
}

// call makes a DevTools call and collects what the page reports meanwhile.
func (b *browserTab) call(method string, params any) json.RawMessage {
	b.t.Helper()
	b.id++
	if err := b.conn.WriteJSON(map[string]any{"id": b.id, "method": method, "params": params}); err != nil {
		b.t.Fatal(err)
	}
	for {
		_ = b.conn.SetReadDeadline(time.Now().Add(90 * time.Second))
		var m struct {
			ID     int             `json:"id"`
			Method string          `json:"method"`
			Params json.RawMessage `json:"params"`
			Result json.RawMessage `json:"result"`
			Error  *struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		if err := b.conn.ReadJSON(&m); err != nil {
			b.t.Fatalf("%s: %v", method, err)
		}
		switch {
		case m.Method == "Runtime.exceptionThrown" || m.Method == "Log.entryAdded" && strings.Contains(string(m.Params),
			`"level":"error"`):
			b.logs = append(b.logs, string(m.Params))
		case m.ID != b.id:
		case m.Error != nil:
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		default:
			return m.Result
		}
	}
}

// eval evaluates an expression, a promise's value included, into v.
func (b *browserTab) eval(expression string, v any) error {
	b.t.Helper()
	var r struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		ExceptionDetails *struct {
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	raw := b.call("Runtime.evaluate", map[string]any{
		"expression": expression, "returnByValue": true,
		"awaitPromise": true,
	})
	if err := json.Unmarshal(raw, &r); err != nil {
		return err
	}
	if r.ExceptionDetails != nil {
		return errors.New(r.ExceptionDetails.Exception.Description)
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(r.Result.Value, v)
}

// until waits for an expression to become true.
func (b *browserTab) until(expression string, limit time.Duration) {
	b.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		var ok bool
		err := b.eval("!!("+expression+")", &ok)
		if err == nil && ok {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("%s did not come true within %v (%v); the page reported: %s", expression, limit, err, b.logs)
		}
	}
}

// click presses the element with an id.
func (b *browserTab) click(id string) {
	b.t.Helper()
	if err := b.eval(fmt.Sprintf("document.getElementById(%q).click()", id), nil); err != nil {
		b.t.Fatal(err)
	}
}

// screenshot is the page as a PNG.
func (b *browserTab) screenshot() []byte {
	b.t.Helper()
	var r struct {
		Data string `json:"data"`
	}
	if err := json.Unmarshal(b.call("Page.captureScreenshot", map[string]any{"format": "png"}), &r); err != nil {
		b.t.Fatal(err)
	}
	png, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	return png
}
