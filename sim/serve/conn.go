package serve

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"korr/sim"
	"korr/sim/domain"
)

// conn is one client and its environments.
type conn struct {
	s     *Server
	c     net.Conn
	r     *bufio.Reader
	in    []byte // the frame being read
	out   []byte // the frame being written
	limit int    // of a frame, bytes
	begun func()
	log   *slog.Logger

	reserved int // environments, of the server's budget

	batch  *sim.Batch
	active []bool
	seeds  []uint64
	obs    []float32 // [n*ObsDim]
	act    []float32 // [n*ActDim]
	res    []sim.Result
	errs   []error
}

func newConn(s *Server, c net.Conn) *conn {
	k := &conn{
		s: s, c: c, r: bufio.NewReaderSize(c, 16<<10), limit: 1 + helloSize,
		log: s.cfg.Log.With("client", c.RemoteAddr().String()),
	}
	k.begun = func() { s.await(c, s.cfg.Patience) }
	return k
}

// refuse answers a connection that is not served.
func (k *conn) refuse(err *protocolError) {
	_ = k.sendError(err)
	k.drain()
}

// drain reads what the client still sends, briefly: closing a connection with unread data would reset it, and the
// client might lose the error frame.
func (k *conn) drain() {
	if c, ok := k.c.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
	_ = k.c.SetReadDeadline(time.Now().Add(min(k.s.cfg.Patience, 200*time.Millisecond)))
	_, _ = io.Copy(io.Discard, io.LimitReader(k.c, 1<<20))
}

// run serves the connection until it ends, and closes its environments.
func (k *conn) run() {
	err := k.greet()
	for err == nil {
		if err = k.serveOne(); err != nil {
			err = k.excuse(err)
		}
	}
	k.bye(err)
	if k.batch != nil {
		if err := k.batch.Close(); err != nil {
			k.log.Warn("close environments", "error", err)
		}
	}
	k.s.release(k.reserved)
}

// excuse answers a request that was refused, after which the connection goes on; any other error it returns.
func (k *conn) excuse(err error) error {
	var p *protocolError
	if !errors.As(err, &p) || p.fatal() {
		return err
	}
	k.log.Debug("request refused", "error", err)
	return k.sendError(p)
}

// errClosed ends a connection whose client said close.
var errClosed = errors.New("closed by the client")

// bye tells the client why its connection ends, where that is not its own doing.
func (k *conn) bye(err error) {
	var p *protocolError
	switch {
	case errors.Is(err, errClosed), errors.Is(err, io.EOF):
		k.log.Debug("connection ended", "reason", err)
		return
	case errors.As(err, &p):
	case k.s.stopping():
		p = &protocolError{codeShutdown, "the server is going down"}
	case errors.Is(err, os.ErrDeadlineExceeded):
		p = &protocolError{codeTimeout, "nothing came for too long"}
	default:
		k.log.Info("connection lost", "error", err)
		return
	}
	k.log.Info("connection ended", "reason", p.text)
	k.refuse(p)
}

// greet answers the hello and makes the environments.
func (k *conn) greet() error {
	k.s.await(k.c, k.s.cfg.Patience)
	kind, payload, err := readFrame(k.r, &k.in, k.limit, nil)
	if err != nil {
		return err
	}
	if kind != kindHello {
		return malformedf("a connection begins with a hello, not with kind %#02x", kind)
	}
	h, err := decodeHello(payload)
	if err != nil {
		return err
	}
	n := h.envs
	if n == 0 {
		n = k.s.cfg.Envs
	}
	if n > k.s.cfg.MaxEnvs {
		why := fmt.Sprintf("%d environments: this server gives a connection at most %d", n, k.s.cfg.MaxEnvs)
		return &protocolError{codeFull, why}
	}
	if err := k.s.reserve(n); err != nil {
		return err
	}
	k.reserved = n
	if err := k.open(n); err != nil {
		k.log.Error("make environments", "count", n, "error", err)
		return &protocolError{codeInternal, err.Error()}
	}
	spec := k.batch.Spec()
	space := Space{
		Spec: spec, Form: k.s.cfg.Form, Low: k.s.cfg.Low, High: k.s.cfg.High, Fingerprint: k.s.cfg.Fingerprint,
		Envs: n,
	}
	k.limit = 1 + n + max(8*n, 4*n*spec.ActDim)
	if k.out, err = space.append(k.out); err != nil {
		return err
	}
	k.log.Debug("connected", "envs", n)
	return k.send()
}

// open makes n environments.
func (k *conn) open(n int) error {
	var envs []sim.Env
	for range n {
		e, err := k.s.cfg.Open()
		if err != nil {
			return errors.Join(err, closeAll(envs))
		}
		envs = append(envs, e)
	}
	spec := envs[0].Spec()
	if len(k.s.cfg.Low) != spec.ActDim || len(k.s.cfg.High) != spec.ActDim {
		err := fmt.Errorf("bounds of %d and %d elements for actions of %d", len(k.s.cfg.Low), len(k.s.cfg.High), spec.ActDim)
		return errors.Join(err, closeAll(envs))
	}
	var err error
	if k.batch, err = sim.NewBatch(envs, k.s.cfg.Workers); err != nil {
		return errors.Join(err, closeAll(envs))
	}
	k.active, k.seeds = make([]bool, n), make([]uint64, n)
	k.obs, k.act = make([]float32, n*spec.ObsDim), make([]float32, n*spec.ActDim)
	k.res, k.errs = make([]sim.Result, n), make([]error, n)
	return nil
}

func closeAll(envs []sim.Env) error {
	var errs []error
	for _, e := range envs {
		errs = append(errs, e.Close())
	}
	return errors.Join(errs...)
}

// serveOne reads one request and answers it.
func (k *conn) serveOne() error {
	k.s.await(k.c, k.s.cfg.Idle)
	kind, payload, err := readFrame(k.r, &k.in, k.limit, k.begun)
	if err != nil {
		return err
	}
	clear(k.res)
	clear(k.errs)
	switch kind {
	case kindReset:
		if err := decodeReset(k.active, k.seeds, payload); err != nil {
			return err
		}
		k.batch.ResetEach(k.obs, k.seeds, k.active, k.errs)
	case kindStep:
		if err := decodeStep(k.active, k.act, payload); err != nil {
			return err
		}
		k.batch.Step(k.obs, k.act, k.active, k.res, k.errs)
	case kindDraw:
		return k.draw(payload)
	case kindClose:
		if len(payload) != 0 {
			return requestf("a close of %d bytes, want none", len(payload))
		}
		k.out = sealed(frame(k.out, kindClose|reply))
		if err := k.send(); err != nil {
			return err
		}
		return errClosed
	default:
		return requestf("kind %#02x is no request: use %#02x (reset), %#02x (step), %#02x (draw) or %#02x (close)", kind,
			kindReset, kindStep, kindDraw, kindClose)
	}
	return k.answer(kind)
}

// draw answers with a picture of one environment: width, height, and rows of red, green and blue from the top.
func (k *conn) draw(payload []byte) error {
	if len(payload) != 2 {
		return requestf("a draw of %d bytes, want 2: the number of the environment", len(payload))
	}
	i := int(binary.LittleEndian.Uint16(payload))
	switch {
	case k.s.cfg.Draw == nil:
		return requestf("this server draws nothing")
	case i >= k.batch.Len():
		return requestf("there is no environment %d to draw, there are %d", i, k.batch.Len())
	}
	img, err := k.s.draw(k.batch.Env(i))
	if err != nil {
		return requestf("%v", err)
	}
	size := img.Rect.Size()
	out := binary.LittleEndian.AppendUint32(frame(k.out, kindDraw|reply), uint32(size.X))
	out = binary.LittleEndian.AppendUint32(out, uint32(size.Y))
	for y := range size.Y {
		row := img.Pix[y*img.Stride : y*img.Stride+4*size.X]
		for x := 0; x < len(row); x += 4 {
			out = append(out, row[x], row[x+1], row[x+2])
		}
	}
	k.out = sealed(out)
	return k.send()
}

// answer sends the results of a reset or a step: rewards (of a step), flags, observations, and a note.
func (k *conn) answer(kind byte) error {
	out := frame(k.out, kind|reply)
	if kind == kindStep {
		for i := range k.res {
			out = appendFloats(out, []float32{k.res[i].Reward})
		}
	}
	for i, r := range k.res {
		flags := faultCode(k.errs[i])
		for bit, set := range [...]bool{r.Terminated, r.Truncated, r.Success} {
			if set {
				flags |= 1 << bit
			}
		}
		out = append(out, flags)
	}
	out = appendFloats(out, k.obs)
	note, err := k.note(kind)
	if err != nil {
		return err
	}
	k.out = sealed(appendText(out, note))
	return k.send()
}

// Note is the text of a reply, as JSON; a reply that has nothing to say has an empty one.
type Note struct {
	Faults map[int]string       `json:"faults,omitempty"` // what environments that failed said
	Domain map[int]*domain.Draw `json:"domain,omitempty"` // after a reset: what environments drew of their physics
}

func (k *conn) note(kind byte) (string, error) {
	var n Note
	for i, err := range k.errs {
		if err != nil {
			if n.Faults == nil {
				n.Faults = map[int]string{}
			}
			n.Faults[i] = err.Error()
		}
		if kind != kindReset || !k.active[i] || err != nil {
			continue
		}
		if d := domain.Of(k.batch.Env(i)); d != nil {
			if n.Domain == nil {
				n.Domain = map[int]*domain.Draw{}
			}
			n.Domain[i] = d
		}
	}
	if n.Faults == nil && n.Domain == nil {
		return "", nil
	}
	b, err := json.Marshal(n)
	return string(b), err
}

// send writes k.out.
func (k *conn) send() error {
	_ = k.c.SetWriteDeadline(time.Now().Add(k.s.cfg.Patience))
	_, err := k.c.Write(k.out)
	return err
}

func (k *conn) sendError(p *protocolError) error {
	k.out = binary.LittleEndian.AppendUint16(frame(k.out, kindError), uint16(p.code))
	k.out = sealed(appendText(k.out, p.text))
	return k.send()
}
