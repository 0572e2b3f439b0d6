package serve

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"net"
	"time"

	"korr/sim"
)

// Client is one environment of a server, as a sim.Env. Not safe for concurrent use.
type Client struct {
	c       net.Conn
	r       *bufio.Reader
	in, out []byte
	space   *Space
	timeout time.Duration
	note    Note
	live    bool
	closed  bool
}

// Dial connects to "unix:/path" or "tcp:host:port" and asks for one environment. timeout bounds the answer to every
// request.
func Dial(ctx context.Context, address string, timeout time.Duration) (*Client, error) {
	network, at, err := splitAddress(address)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{Timeout: timeout}).DialContext(ctx, network, at)
	if err != nil {
		return nil, err
	}
	c := &Client{c: conn, r: bufio.NewReaderSize(conn, 16<<10), timeout: timeout}
	payload, err := c.ask(hello{version: Version, envs: 1}.append(nil), kindHello)
	if err == nil {
		c.space, err = decodeSpace(payload)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

// ask sends a frame and returns the payload of its reply.
func (c *Client) ask(request []byte, kind byte) ([]byte, error) {
	_ = c.c.SetDeadline(time.Now().Add(c.timeout))
	_, sent := c.c.Write(request) // a server that closed may have said why
	got, payload, err := readFrame(c.r, &c.in, largest, nil)
	switch {
	case err != nil:
		return nil, errors.Join(sent, err)
	case got == kindError && len(payload) >= 2:
		said, _, err := text(payload[2:])
		if err != nil {
			return nil, err
		}
		return nil, &RemoteError{Code: int(binary.LittleEndian.Uint16(payload)), Text: said}
	case got != kind|reply:
		return nil, fmt.Errorf("serve: reply of kind %#02x to a request of kind %#02x", got, kind)
	}
	return payload, nil
}

// Space is what the server said about the environment.
func (c *Client) Space() *Space { return c.space }

// Spec describes the environment.
func (c *Client) Spec() sim.Spec { return c.space.Spec }

// Note is what the newest reply said beside numbers.
func (c *Client) Note() Note { return c.note }

// Reset starts the episode of the seed and writes the first observation (length ObsDim).
func (c *Client) Reset(obs []float32, seed uint64) error {
	if err := c.check(obs); err != nil {
		return err
	}
	c.live = false
	c.out = append(frame(c.out, kindReset), 1)
	c.out = sealed(binary.LittleEndian.AppendUint64(c.out, seed))
	payload, err := c.ask(c.out, kindReset)
	if err != nil {
		return err
	}
	flags, err := c.results(obs, payload)
	if err == nil {
		err = faultError(flags, c.note.Faults[0])
	}
	c.live = err == nil
	return err
}

// Step executes one action (length ActDim, of the form that Space names).
func (c *Client) Step(obs, act []float32) (sim.Result, error) {
	if err := c.check(obs); err != nil {
		return sim.Result{}, err
	}
	if len(act) != c.space.Spec.ActDim {
		c.live = false
		return sim.Result{}, fmt.Errorf("%w: %d values, want %d (form %s)", sim.ErrAction, len(act),
			c.space.Spec.ActDim, c.space.Form)
	}
	if !c.live {
		return sim.Result{}, sim.ErrNotReset
	}
	c.live = false
	c.out = appendFloats(append(frame(c.out, kindStep), 1), act)
	payload, err := c.ask(sealed(c.out), kindStep)
	if err != nil {
		return sim.Result{}, err
	}
	if len(payload) < 4 {
		return sim.Result{}, malformedf("a result of %d bytes", len(payload))
	}
	reward := math.Float32frombits(binary.LittleEndian.Uint32(payload))
	flags, err := c.results(obs, payload[4:])
	if err == nil {
		err = faultError(flags, c.note.Faults[0])
	}
	if err != nil {
		return sim.Result{}, err
	}
	r := sim.Result{
		Reward: reward, Terminated: flags&flagTerminated != 0, Truncated: flags&flagTruncated != 0,
		Success: flags&flagSuccess != 0,
	}
	c.live = !r.Terminated && !r.Truncated
	return r, nil
}

// Draw has the server draw the environment at its present state.
func (c *Client) Draw() (*image.RGBA, error) {
	if c.closed {
		return nil, net.ErrClosed
	}
	c.out = binary.LittleEndian.AppendUint16(frame(c.out, kindDraw), 0)
	payload, err := c.ask(sealed(c.out), kindDraw)
	if err != nil {
		return nil, err
	}
	if len(payload) < 8 {
		return nil, malformedf("a picture of %d bytes", len(payload))
	}
	w, h := int(binary.LittleEndian.Uint32(payload)), int(binary.LittleEndian.Uint32(payload[4:]))
	rgb := payload[8:]
	if w < 1 || h < 1 || w > largest || h > largest || len(rgb) != 3*w*h {
		return nil, malformedf("a picture of %d x %d in %d bytes", w, h, len(rgb))
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		copy(img.Pix[4*i:], rgb[3*i:3*i+3])
		img.Pix[4*i+3] = 0xff
	}
	return img, nil
}

// results reads flags, observation and note.
func (c *Client) results(obs []float32, b []byte) (flags byte, err error) {
	if len(b) < 1+4*len(obs) {
		return 0, malformedf("a result of %d bytes", len(b))
	}
	flags = b[0]
	said, _, err := text(floats(obs, b[1:]))
	c.note = Note{}
	if err == nil && said != "" {
		err = json.Unmarshal([]byte(said), &c.note)
	}
	return flags, err
}

func (c *Client) check(obs []float32) error {
	if c.closed {
		return net.ErrClosed
	}
	if len(obs) != c.space.Spec.ObsDim {
		return fmt.Errorf("observation buffer has %d values, want %d", len(obs), c.space.Spec.ObsDim)
	}
	return nil
}

// Close says so to the server and ends the connection; calling it again is harmless.
func (c *Client) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	_, err := c.ask(sealed(frame(c.out, kindClose)), kindClose)
	return errors.Join(err, c.c.Close())
}
