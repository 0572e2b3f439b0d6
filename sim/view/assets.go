package view

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed web
var embedded embed.FS

// page is the folder of the page's files.
func page() fs.FS {
	sub, err := fs.Sub(embedded, "web")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return sub
}

// contentPolicy lets the page load its own files and nothing else. Its one inline script, the import map, is named by
// its hash.
func contentPolicy() string {
	index, err := embedded.ReadFile("web/index.html")
	if err != nil {
		panic(err)
	}
	const open = `<script type="importmap">`
	_, rest, _ := strings.Cut(string(index), open)
	script, _, _ := strings.Cut(rest, "</script>")
	hash := sha256.Sum256([]byte(script))
	return "default-src 'none'; script-src 'self' 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
		"'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; " +
		"form-action 'none'"
}

// assets serves the page. A viewer always asks whether a file is still the same: another binary may serve the same
// port.
func assets() http.Handler {
	files, policy := http.FileServerFS(page()), contentPolicy()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		files.ServeHTTP(w, r)
	})
}
