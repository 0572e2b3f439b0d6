package master_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestLongAnswersTellTheirLength: roscpp's XML-RPC client reads no chunked answers; a long list of topics must bear its
// length.
func TestLongAnswersTellTheirLength(t *testing.T) {
	m, _ := start(t)
	long := strings.Repeat("x", 10000)
	body := "<methodCall><methodName>getPid</methodName><params></params></methodCall>"
	set := "<methodCall><methodName>setParam</methodName><params><param><value>/t</value></param><param><value>/long</value></param><param><value>" + long + "</value></param></params></methodCall>"
	get := "<methodCall><methodName>getParam</methodName><params><param><value>/t</value></param><param><value>/long</value></param></params></methodCall>"
	for _, call := range []string{body, set, get} {
		res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Post(m.URI()+"RPC2", "text/xml",
			strings.NewReader(call))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.ContentLength < 0 || call == get && res.ContentLength < 10000 || len(res.TransferEncoding) != 0 {
			t.Errorf("%.60s: content length %d, encoding %v", call, res.ContentLength, res.TransferEncoding)
		}
	}
}
