package view

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// tokenName is the URL parameter and the cookie that carry the token.
const tokenName = "token"

// guard decides who may look.
type guard struct {
	token string // "" on the loopback interface
	port  string
}

// newGuard asks for a token unless the address is the loopback interface's.
func newGuard(addr net.Addr) (guard, error) {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return guard{}, err
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return guard{port: port}, nil
	}
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return guard{}, err
	}
	return guard{token: hex.EncodeToString(b[:]), port: port}, nil
}

// protect wraps the server's handlers.
func (g guard) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !g.hostAllowed(r):
			http.Error(w, "this server answers to localhost only", http.StatusForbidden)
		case !sameOrigin(r):
			http.Error(w, "a page of another origin may not connect", http.StatusForbidden)
		case g.token == "":
			next.ServeHTTP(w, r)
		case g.matches(r.URL.Query().Get(tokenName)):
			g.remember(w, r, next)
		case g.hasCookie(r):
			next.ServeHTTP(w, r)
		default:
			http.Error(w, "open the URL that korr printed: it holds the token", http.StatusUnauthorized)
		}
	})
}

// remember keeps the token in a cookie, so that the page's files need none in their URLs, and takes it out of the
// address bar.
func (g guard) remember(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if r.URL.Path != "/" {
		next.ServeHTTP(w, r)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: g.cookie(), Value: g.token, Path: "/", HttpOnly: true,
		SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// cookie names the port, because browsers do not tell the ports of a host apart.
func (g guard) cookie() string { return "korr_" + tokenName + "_" + g.port }

func (g guard) hasCookie(r *http.Request) bool {
	c, err := r.Cookie(g.cookie())
	return err == nil && g.matches(c.Value)
}

// matches compares in a time that does not depend on where the difference is.
func (g guard) matches(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(g.token)) == 1
}

// hostAllowed refuses names of other machines on the loopback interface: a page elsewhere could have its own name
// resolve to it.
func (g guard) hostAllowed(r *http.Request) bool {
	if g.token != "" {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// sameOrigin reports whether a request comes from a page of this server, or from no page at all.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && strings.EqualFold(u.Host, r.Host)
}
