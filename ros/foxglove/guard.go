package foxglove

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// tokenName is the URL parameter that carries the token.
const tokenName = "token"

// theirs are the hosts of Foxglove's own pages.
var theirs = []string{"app.foxglove.dev", "studio.foxglove.dev"}

// guard decides who may look.
type guard struct {
	token string // "" on the loopback interface
}

func newGuard(addr net.Addr) (g guard, err error) {
	if a, tcp := addr.(*net.TCPAddr); !tcp || !a.IP.IsLoopback() {
		g.token, err = newToken()
	}
	return g, err
}

// refuses is the HTTP status by which a request is refused, and why; 0 = it is not.
func (g guard) refuses(r *http.Request) (int, string) {
	switch {
	case g.token == "" && !isLocal(r.Host):
		return http.StatusForbidden, "this server answers to localhost only"
	case g.token != "" && subtle.ConstantTimeCompare([]byte(r.URL.Query().Get(tokenName)), []byte(g.token)) != 1:
		return http.StatusUnauthorized, "open the URL that korr printed: it holds the token"
	case g.token == "" && !mayLook(r.Header.Get("Origin")):
		return http.StatusForbidden, "a page of another origin may not connect"
	}
	return 0, ""
}

// mayLook reports whether a page of an origin may connect: none (a program), a desktop program's, this machine's, or
// Foxglove's.
func mayLook(origin string) bool {
	if origin == "" || strings.HasPrefix(origin, "file:") {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	for _, h := range theirs {
		if u.Scheme == "https" && strings.EqualFold(u.Host, h) {
			return true
		}
	}
	return isLocal(u.Host)
}

// isLocal reports whether a host, with or without a port, is this machine's by name: a page elsewhere could have its own
// name resolve to it.
func isLocal(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
