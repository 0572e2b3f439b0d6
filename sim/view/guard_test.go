package view

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func guardFor(t *testing.T, host string) guard {
	t.Helper()
	g, err := newGuard(&net.TCPAddr{IP: net.ParseIP(host), Port: 8080})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGuard(t *testing.T) {
	local, open := guardFor(t, "127.0.0.1"), guardFor(t, "0.0.0.0")
	if local.token != "" || len(open.token) != 32 || open.token == guardFor(t, "0.0.0.0").token {
		t.Fatalf("tokens %q and %q", local.token, open.token)
	}
	cookie := open.cookie() + "=" + open.token
	for name, c := range map[string]struct {
		g                              guard
		target, host, origin, withCook string
		want                           int
	}{
		"loopback":                    {local, "/", "127.0.0.1:8080", "", "", 200},
		"loopback by name":            {local, "/", "localhost:8080", "", "", 200},
		"loopback of IPv6":            {local, "/", "[::1]:8080", "", "", 200},
		"own page":                    {local, "/ws", "localhost:8080", "http://localhost:8080", "", 200},
		"another page":                {local, "/ws", "localhost:8080", "http://evil.example", "", 403},
		"another port's page":         {local, "/ws", "localhost:8080", "http://localhost:9090", "", 403},
		"a file's page":               {local, "/ws", "localhost:8080", "null", "", 403},
		"a name that was rebound":     {local, "/ws", "evil.example:8080", "http://evil.example:8080", "", 403},
		"no token":                    {open, "/", "10.0.0.5:8080", "", "", 401},
		"no token for the socket":     {open, "/ws", "10.0.0.5:8080", "", "", 401},
		"wrong token":                 {open, "/ws?token=" + strings.Repeat("0", 32), "10.0.0.5:8080", "", "", 401},
		"half a token":                {open, "/ws?token=" + open.token[:16], "10.0.0.5:8080", "", "", 401},
		"token":                       {open, "/ws?token=" + open.token, "10.0.0.5:8080", "", "", 200},
		"token of the page":           {open, "/?token=" + open.token, "10.0.0.5:8080", "", "", 303},
		"cookie":                      {open, "/main.js", "10.0.0.5:8080", "", cookie, 200},
		"wrong cookie":                {open, "/main.js", "10.0.0.5:8080", "", cookie + "0", 401},
		"token, but another page":     {open, "/ws?token=" + open.token, "10.0.0.5:8080", "http://evil.example", "", 403},
		"cookie, but another page":    {open, "/ws", "10.0.0.5:8080", "https://evil.example", cookie, 403},
		"cookie of the loopback's":    {open, "/ws", "10.0.0.5:8080", "", local.cookie() + "=", 401},
		"an origin that cannot parse": {local, "/ws", "localhost:8080", "http://%zz", "", 403},
	} {
		r := httptest.NewRequest(http.MethodGet, c.target, nil)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if c.withCook != "" {
			r.Header.Set("Cookie", c.withCook)
		}
		w := httptest.NewRecorder()
		c.g.protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: status %d, want %d", name, w.Code, c.want)
		}
		if c.want == 303 && (w.Header().Get("Location") != "/" || !strings.Contains(w.Header().Get("Set-Cookie"),
			"HttpOnly; SameSite=Strict")) {
			t.Errorf("%s: %v", name, w.Header())
		}
	}
}

func TestListenAddresses(t *testing.T) {
	for addr, want := range map[string]string{
		":0": "http://127.0.0.1:", "127.0.0.1:0": "http://127.0.0.1:",
		"0.0.0.0:0": "/?token=",
	} {
		s, err := Listen(addr, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if u := s.URL(); !strings.Contains(u, want) {
			t.Errorf("%s is at %s", addr, u)
		}
		_ = s.ln.Close()
	}
	if _, err := Listen("8080", nil, nil); err == nil {
		t.Error("an address without a port was taken")
	}
}

// TestPageIsWhole: the page's files are embedded, and its content policy names the import map.
func TestPageIsWhole(t *testing.T) {
	for _, name := range []string{
		"/", "/main.js", "/scene.js", "/light.js", "/charts.js", "/theme.js", "/wire.js", "/style.css",
		"/vendor/three/three.module.min.js", "/vendor/three/three.core.min.js", "/vendor/three/OrbitControls.js",
		"/vendor/three/LICENSE",
	} {
		w := httptest.NewRecorder()
		assets().ServeHTTP(w, httptest.NewRequest(http.MethodGet, name, nil))
		if w.Code != 200 || w.Body.Len() == 0 {
			t.Errorf("%s: status %d, %d bytes", name, w.Code, w.Body.Len())
		}
		if p := w.Header().Get("Content-Security-Policy"); !strings.Contains(p, "script-src 'self' 'sha256-") ||
			strings.Contains(p, "unsafe") {
			t.Errorf("%s: policy %q", name, p)
		}
	}
}
