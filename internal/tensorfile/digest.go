package tensorfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
)

// The digest is the SHA-256 of the whole file with zeros in the digest's own place. A second entry says that there is
// one: a flipped bit hits one of the two names at most, so it cannot turn a file with a digest into one without.
const (
	digestKey   = "sha256"
	digestNote  = "digest"
	digestScope = "sha256 of the file with zeros in its place"
)

var zeros = strings.Repeat("0", hex.EncodedLen(sha256.Size))

// withDigest is the metadata with room for the digest.
func withDigest(meta map[string]string) map[string]string {
	m := maps.Clone(meta)
	if m == nil {
		m = map[string]string{}
	}
	m[digestKey], m[digestNote] = zeros, digestScope
	return m
}

// place finds the digest's digits in the header of a file; the error says that they are not there once.
func place(file []byte, digits string) (int, error) {
	entry := []byte(`"` + digestKey + `":"` + digits + `"`)
	header := file[8 : 8+binary.LittleEndian.Uint64(file)]
	if bytes.Count(header, entry) != 1 {
		return 0, fmt.Errorf("%w: the digest is not written as it should be", ErrDamaged)
	}
	return 8 + bytes.Index(header, entry) + len(entry) - 1 - len(zeros), nil
}

// stamp writes the digest of a file with zeros into their place.
func stamp(file []byte) error {
	at, err := place(file, zeros)
	if err != nil {
		return fmt.Errorf("tensorfile: encode: metadata or a name holds %q with its zeros: %w", digestKey, err)
	}
	sum := sha256.Sum256(file)
	hex.Encode(file[at:at+len(zeros)], sum[:])
	return nil
}

// verify compares a file with the digest in its metadata, from which it takes the digest's entries. A file that never
// had one gives "".
func verify(file []byte, meta map[string]string) (string, error) {
	digits, has := meta[digestKey]
	note, noted := meta[digestNote]
	if !noted && (!has || len(digits) != len(zeros)) {
		return "", nil // another writer's, who may use the name for something else
	}
	if !has || !noted || note != digestScope || len(digits) != len(zeros) {
		return "", fmt.Errorf("%w: half of the digest is missing", ErrDamaged)
	}
	at, err := place(file, digits)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	h.Write(file[:at])
	h.Write([]byte(zeros))
	h.Write(file[at+len(zeros):])
	if sum := hex.EncodeToString(h.Sum(nil)); sum != digits {
		return "", fmt.Errorf("%w: its SHA-256 is %.12s..., the file says %.12s...: restore it from a copy, or go back to "+
			"an earlier checkpoint "+
			"(after a change on purpose remove %q and %q from its metadata)", ErrDamaged, sum, digits, digestKey, digestNote)
	}
	delete(meta, digestKey)
	delete(meta, digestNote)
	return digits, nil
}
