package torchfile

import (
	"encoding/binary"
	"math"
)

// step carries out one instruction. Python's pickletools describes them.
func (m *machine) step(op byte) error {
	if done, err := m.scalar(op); done {
		return err
	}
	if done, err := m.container(op); done {
		return err
	}
	if done, err := m.reference(op); done {
		return err
	}
	return malformed("instruction %#02x is not one of torch.save", op)
}

// scalar pushes numbers and texts.
func (m *machine) scalar(op byte) (done bool, err error) {
	var b []byte
	var n uint64
	switch op {
	case 'N':
		m.push(nil)
	case 0x88, 0x89:
		m.push(op == 0x88)
	case 'J':
		if n, err = m.uint(4); err == nil {
			m.push(int64(int32(n)))
		}
	case 'K', 'M':
		if n, err = m.uint(map[byte]uint64{'K': 1, 'M': 2}[op]); err == nil {
			m.push(int64(n))
		}
	case 0x8a, 0x8b: // a length of 1 or 4 bytes
		if b, err = m.sized(1 + 3*uint64(op-0x8a)); err == nil {
			var v int64
			if v, err = long(b); err == nil {
				m.push(v)
			}
		}
	case 'G':
		if b, err = m.bytes(8); err == nil {
			m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
		}
	case 'X':
		err = m.text(4)
	case 0x8c:
		err = m.text(1)
	case 0x8d:
		err = m.text(8)
	case 'B', 'T', 'C', 'U', 0x8e, 0x96:
		if b, err = m.sized(map[byte]uint64{'B': 4, 'T': 4, 'C': 1, 'U': 1, 0x8e: 8, 0x96: 8}[op]); err == nil {
			m.push(b)
		}
	default:
		return false, nil
	}
	return true, err
}

// container makes and fills tuples, lists and dictionaries.
func (m *machine) container(op byte) (done bool, err error) {
	switch op {
	case '(':
		m.marks = append(m.marks, len(m.stack))
	case ')':
		m.push(Tuple{})
	case ']', 0x8f:
		m.push(&List{})
	case '}':
		m.push(&Dict{})
	case 't', 'l', 'd', 0x91:
		err = m.gather(op)
	case 0x85, 0x86, 0x87:
		err = m.tuple(int(op - 0x84))
	case 'a', 's':
		err = m.addOne(op)
	case 'e', 'u', 0x90:
		var items []any
		if items, err = m.popMark(); err == nil {
			err = m.extend(items, op == 'u')
		}
	default:
		return false, nil
	}
	return true, err
}

// gather makes a container of all above the mark.
func (m *machine) gather(op byte) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	switch op {
	case 't':
		m.push(Tuple(items))
	case 'd':
		m.push(&Dict{})
		return m.extend(items, true)
	default:
		m.push(&List{items})
	}
	return nil
}

func (m *machine) tuple(n int) error {
	t := make(Tuple, n)
	for i := n - 1; i >= 0; i-- {
		v, err := m.pop()
		if err != nil {
			return err
		}
		t[i] = v
	}
	m.push(t)
	return nil
}

// addOne adds an item or an entry to the container below it.
func (m *machine) addOne(op byte) error {
	n := 1
	if op == 's' {
		n = 2
	}
	if err := m.tuple(n); err != nil {
		return err
	}
	items, err := m.pop()
	if err != nil {
		return err
	}
	return m.extend(items.(Tuple), op == 's')
}

// extend adds items, or keys and values in turn, to the container on top.
func (m *machine) extend(items []any, pairs bool) error {
	top, err := m.top()
	if err != nil {
		return err
	}
	if !pairs {
		l, ok := top.(*List)
		if !ok {
			return malformed("items are added to a %T", top)
		}
		l.Items = append(l.Items, items...)
		return nil
	}
	d, ok := top.(*Dict)
	if !ok || len(items)%2 != 0 {
		return malformed("%d keys and values are added to a %T", len(items), top)
	}
	for i := 0; i < len(items); i += 2 {
		if err := d.set(items[i], items[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// reference handles the memo, globals and what is made of them.
func (m *machine) reference(op byte) (done bool, err error) {
	switch op {
	case 0x80:
		var v uint64
		if v, err = m.uint(1); err == nil && (v < 2 || v > 5) {
			err = malformed("pickle protocol %d, want 2 to 5", v)
		}
	case 0x95: // a frame's length, of no use here
		_, err = m.bytes(8)
	case '0':
		_, err = m.pop()
	case '1':
		_, err = m.popMark()
	case '2':
		err = m.copyTop()
	case 'q', 'r':
		err = m.put(op)
	case 0x94:
		err = m.remember(uint32(len(m.memo)))
	case 'h', 'j':
		err = m.get(op)
	case 'c', 0x93:
		err = m.global(op)
	case 'R', 0x81, 0x92:
		err = m.reduce(op)
	case 'b':
		err = m.build()
	case 'Q':
		var id any
		if id, err = m.pop(); err == nil {
			var v any
			if v, err = m.persistent(id); err == nil {
				m.push(v)
			}
		}
	default:
		return false, nil
	}
	return true, err
}

func (m *machine) copyTop() error {
	v, err := m.top()
	if err == nil {
		m.push(v)
	}
	return err
}

func (m *machine) remember(i uint32) error {
	v, err := m.top()
	if err == nil {
		m.memo[i] = v
	}
	return err
}

func (m *machine) put(op byte) error {
	i, err := m.uint(map[byte]uint64{'q': 1, 'r': 4}[op])
	if err != nil {
		return err
	}
	return m.remember(uint32(i))
}

func (m *machine) get(op byte) error {
	i, err := m.uint(map[byte]uint64{'h': 1, 'j': 4}[op])
	if err != nil {
		return err
	}
	v, ok := m.memo[uint32(i)]
	if !ok {
		return malformed("nothing was remembered as %d", i)
	}
	m.push(v)
	return nil
}

// global pushes what a module's name stands for.
func (m *machine) global(op byte) (err error) {
	var module, name string
	if op == 'c' {
		if module, err = m.line(); err == nil {
			name, err = m.line()
		}
	} else if err = m.tuple(2); err == nil {
		var t any
		if t, err = m.pop(); err == nil {
			var a, b bool
			module, a = t.(Tuple)[0].(string)
			name, b = t.(Tuple)[1].(string)
			if !a || !b {
				err = malformed("a global's name is no text")
			}
		}
	}
	if err != nil {
		return err
	}
	g, err := find(module, name)
	if err == nil {
		m.push(g)
	}
	return err
}

// reduce calls what stands for a Python callable.
func (m *machine) reduce(op byte) error {
	if op == 0x92 { // keyword arguments, which nothing here takes
		kw, err := m.pop()
		if err != nil {
			return err
		}
		if d, ok := kw.(*Dict); !ok || d.Len() > 0 {
			return malformed("keyword arguments")
		}
	}
	if err := m.tuple(2); err != nil {
		return err
	}
	call, err := m.pop()
	if err != nil {
		return err
	}
	args, ok := call.(Tuple)[1].(Tuple)
	if !ok {
		return malformed("arguments are a %T", call.(Tuple)[1])
	}
	v, err := m.call(call.(Tuple)[0], args)
	if err == nil {
		m.push(v)
	}
	return err
}
