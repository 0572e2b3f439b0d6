package queue

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// ServePage serves the status as a page, which loads itself again after every, until ctx ends.
func (s *Store) ServePage(ctx context.Context, l net.Listener, every time.Duration) error {
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request,
	) {
		status, err := s.Status(r.Context())
		var page []byte
		if err == nil {
			page, err = status.Page().HTML()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Refresh", fmt.Sprint(max(1, int(every.Seconds()))))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page) // a reader that went is no error
	})}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
