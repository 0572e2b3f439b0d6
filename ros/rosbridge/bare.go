package rosbridge

import "bytes"

var (
	bareNumbers = [][]byte{[]byte("-Infinity"), []byte("Infinity"), []byte("NaN")}
	null        = []byte("null")
)

// withoutBare replaces the numbers that Python writes and JSON does not know (NaN, Infinity, -Infinity) by null, which
// is read as NaN. Without them a joint state whose efforts nobody measures could not be read at all. Text within
// strings stays. The result is data itself when there is none.
func withoutBare(data []byte) []byte {
	if !bytes.Contains(data, bareNumbers[1]) && !bytes.Contains(data, bareNumbers[2]) {
		return data
	}
	out := make([]byte, 0, len(data)+16)
	quoted := false
next:
	for i := 0; i < len(data); i++ {
		c := data[i]
		switch {
		case quoted && c == '\\' && i+1 < len(data):
			out = append(out, c, data[i+1])
			i++
			continue
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '-' || c == 'I' || c == 'N'):
			for _, bare := range bareNumbers {
				if bytes.HasPrefix(data[i:], bare) {
					out = append(out, null...)
					i += len(bare) - 1
					continue next
				}
			}
		}
		out = append(out, c)
	}
	return out
}
