package xmlrpc

import (
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// inFlight bounds the bytes of all calls that one handler reads and answers at a time.
const inFlight = 4 * MaxBytes

// Handler answers calls over HTTP. It is for ROS programs and refuses web pages: a page that somebody on the robot's
// network opens can post to any address, but not without an Origin, with a type of content that only a program sends,
// and to a name that is known here (a page may rebind its own name to this machine's address). What it refuses never
// reaches Answer.
type Handler struct {
	// Answer runs a call and returns the document of its response or fault. It is called from several goroutines.
	Answer func(*Call) []byte

	names []string // beside addresses and what cannot be a name of the Internet
	log   *slog.Logger
	max   int64
	taken atomic.Int64 // bytes of calls in flight
}

// NewHandler returns a handler of calls up to max bytes. names are the host names by which clients may address it,
// beside IP addresses, this machine's own name and names that the Internet does not resolve.
func NewHandler(answer func(*Call) []byte, max int64, log *slog.Logger, names ...string) *Handler {
	h := &Handler{Answer: answer, log: log, max: max}
	if name, err := os.Hostname(); err == nil {
		names = append(names, name)
	}
	for _, n := range names {
		h.names = append(h.names, hostOf(n))
	}
	return h
}

// NewServer returns a server for the handler, with time limits for clients that are slow on purpose.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 1 << 16, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if status, err := h.refuse(req); err != nil {
		h.log.Warn("an XML-RPC request was refused", "from", req.RemoteAddr, "err", err)
		http.Error(w, err.Error(), status)
		return
	}
	if h.taken.Add(req.ContentLength) > inFlight {
		h.taken.Add(-req.ContentLength)
		http.Error(w, "too many calls at a time: try again", http.StatusServiceUnavailable)
		return
	}
	defer h.taken.Add(-req.ContentLength)
	call, err := DecodeCall(io.LimitReader(req.Body, req.ContentLength))
	if err != nil {
		h.log.Warn("an XML-RPC request was refused", "from", req.RemoteAddr, "err", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	doc := h.Answer(call)
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(doc))) // roscpp's client reads no chunked answers
	if _, err := w.Write(doc); err != nil {
		h.log.Debug("an XML-RPC reply was not sent", "method", call.Method, "err", err)
	}
}

// refuse says with which status and why a request is not served; nil if it is.
func (h *Handler) refuse(req *http.Request) (int, error) {
	kind, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
	switch {
	case req.Method != http.MethodPost || req.URL.Path != "/" && req.URL.Path != "/RPC2":
		return http.StatusNotFound, fmt.Errorf("this is ROS: POST XML-RPC to /RPC2")
	case fromBrowser(req.Header):
		return http.StatusForbidden, fmt.Errorf("the request comes from a web page (Origin %.60q): only ROS programs are "+
			"served", req.Header.Get("Origin"))
	case kind != "text/xml":
		return http.StatusUnsupportedMediaType, fmt.Errorf("the content is of type %.60q, want text/xml", kind)
	case !h.known(hostOf(req.Host)):
		return http.StatusForbidden, fmt.Errorf("the host name %.60q is not one of this machine's: use its address, or set "+
			"ROS_HOSTNAME to that name", req.Host)
	case req.ContentLength < 0:
		return http.StatusLengthRequired, fmt.Errorf("a call must tell its length")
	case req.ContentLength > h.max:
		return http.StatusRequestEntityTooLarge, fmt.Errorf("a call of %d bytes, at most %d are read",
			req.ContentLength, h.max)
	}
	return 0, nil
}

// fromBrowser reports whether the header has what browsers add to every request that a page makes, and cannot be kept
// from adding.
func fromBrowser(h http.Header) bool {
	return slices.ContainsFunc([]string{"Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Referer"},
		func(name string) bool { return h.Get(name) != "" })
}

// known reports whether a host name is this machine's: an address, a name given, or one that no page of the Internet
// can have.
func (h *Handler) known(host string) bool {
	if host == "" || net.ParseIP(host) != nil || slices.Contains(h.names, host) {
		return true
	}
	i := strings.LastIndexByte(host, '.')
	return i < 0 || slices.Contains([]string{"local", "localdomain", "lan", "internal", "arpa"}, host[i+1:])
}

// hostOf is the host of "host:port" in small letters.
func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		hostport = host
	}
	return strings.ToLower(strings.Trim(strings.TrimSuffix(hostport, "."), "[]"))
}
