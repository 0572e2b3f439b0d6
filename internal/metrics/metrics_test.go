package metrics

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(t *testing.T, url string, edit func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(r)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	set, n := New(), 0.0
	set.Counter("korr_ticks_total", "wake-ups", func() float64 { n++; return n })
	set.Gauge("korr_jitter_seconds", "how late", func() float64 { return 0.25 }, "quantile", "0.5")
	set.Gauge("korr_jitter_seconds", "how late", func() float64 { return 0.5 }, "quantile", "0.99")
	s, err := Start(set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestLoopback: the numbers are read anew, by this machine under its own names only.
func TestLoopback(t *testing.T) {
	url := "http://" + start(t, Config{Addr: "127.0.0.1:0"}).Addr()
	for _, want := range []string{"korr_ticks_total 1\n", "korr_ticks_total 2\n"} {
		code, body := get(t, url+"/metrics", nil)
		if code != 200 || !strings.Contains(body, want) || !strings.Contains(body,
			`korr_jitter_seconds{quantile="0.99"} 0.5`) || !strings.Contains(body, "go_goroutines") {
			t.Errorf("%d\n%s", code, body)
		}
	}
	if code, _ := get(t, url+"/metrics", func(r *http.Request) { r.Host = "evil.example" }); code != 403 {
		t.Errorf("another host's name: %d", code)
	}
	if code, _ := get(t, url+"/debug/pprof/", nil); code != 404 {
		t.Errorf("another path: %d", code)
	}
}

// TestToken: beyond the loopback interface there is no server without a token and no answer without it.
func TestToken(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0"} {
		if _, err := Start(New(), Config{Addr: addr}); !errors.Is(err, ErrToken) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	for _, addr := range []string{"", "9464", "127.0.0.1"} {
		if _, err := Start(New(), Config{Addr: addr}); err == nil {
			t.Errorf("%q was accepted", addr)
		}
	}
	url := "http://" + start(t, Config{Addr: "127.0.0.1:0", Token: "secret"}).Addr() + "/metrics"
	for header, want := range map[string]int{
		"": 401, "Bearer wrong": 401, "secret": 401, "Bearer secretx": 401,
		"Bearer secret": 200,
	} {
		if code, _ := get(t, url, func(r *http.Request) { r.Header.Set("Authorization", header) }); code != want {
			t.Errorf("%q: %d, want %d", header, code, want)
		}
	}
}
