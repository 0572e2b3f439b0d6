package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestBrokenOffObjects: an object whose parts are missing, as a server that starves can leave one, is told at once, and
// is stored again by whoever has it.
func TestBrokenOffObjects(t *testing.T) {
	st := dial(t, serve(t, t.TempDir()).Join)
	content := []byte("content")
	digest, err := st.putData(t.Context(), content)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.blobs.stream.Purge(t.Context(), jetstream.WithPurgeSubject("$O."+blobsBucket+".C.>")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := st.data(ctx, digest); !errors.Is(err, errIncomplete) {
		t.Errorf("reading it: %v", err)
	}
	if _, err := st.putData(ctx, content); err != nil {
		t.Fatal(err)
	}
	if again, err := st.data(ctx, digest); err != nil || string(again) != "content" {
		t.Errorf("%q, %v", again, err)
	}
}
