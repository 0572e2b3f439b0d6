package node

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/bluenviron/goroslib/v2/pkg/msgproc"
	"github.com/bluenviron/goroslib/v2/pkg/protocommon"
)

// lengthPrefix is what the wire puts before a message and a bag does not.
const lengthPrefix = 4

// Encode serialises a message, given by pointer, as it crosses the wire and lies in a bag, without a length before it.
func Encode(message any) ([]byte, error) {
	var b bytes.Buffer
	if err := protocommon.MessageEncode(&b, message); err != nil {
		return nil, fmt.Errorf("serialise %T: %w", message, err)
	}
	return b.Bytes()[lengthPrefix:], nil
}

// Decode fills a message, given by pointer to its zero value, with what Encode wrote. It refuses bytes too few and too
// many; a damaged length allocates no more than the bytes there are.
func Decode(data []byte, message any) error {
	b := make([]byte, lengthPrefix, lengthPrefix+len(data))
	binary.LittleEndian.PutUint32(b, uint32(len(data)))
	if err := protocommon.MessageDecode(bytes.NewReader(append(b, data...)), message); err != nil {
		return fmt.Errorf("%T in %d bytes: %w", message, len(data), err)
	}
	return nil
}

// Definition is the full text of a message, given as a struct value: its fields and those of the messages in it, as
// connection headers and bags carry it.
func Definition(message any) (string, error) { return msgproc.Definition(message) }
