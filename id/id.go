// Package id makes the names by which rows are known.
//
// Inside, every row has a number: 63 bits that rise with time, unique across nodes. Rising numbers
// keep a table's B-tree growing at its right edge, so a commit touches few pages, and a range of
// time is a range of numbers, so retention and sweeps need no index.
//
// Outside, a row must not be guessable (docs/reference/reliability.md T1: at least 128 random bits
// to whoever looks). A [Sealer] turns a number into 16 bytes by one AES block under a key that
// lives in the store: a permutation, so no two collide, and the way back needs no index. A made-up
// name fails the seal's check with probability 1-2^-64 and is refused without a query; the tenant
// check follows all the same.
package id

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"sync"
	"time"
)

// Number is a row's number: 41 bits of milliseconds since [Epoch], 6 bits of node slot, 16 bits of
// counter. Zero is no row.
type Number int64

// Epoch is where the milliseconds of a Number start.
var Epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	counterBits = 16
	nodeBits    = 6

	// Nodes is how many node slots fit into a Number.
	Nodes = 1 << nodeBits
)

// At is the lowest Number of a moment; with it a range of time becomes a range of rows.
func At(t time.Time) Number {
	ms := t.Sub(Epoch).Milliseconds()
	ms = min(max(ms, 0), 1<<41-1)
	return Number(ms << (nodeBits + counterBits))
}

// Time is the moment a Number was drawn, to the millisecond.
func (n Number) Time() time.Time {
	return Epoch.Add(time.Duration(n>>(nodeBits+counterBits)) * time.Millisecond)
}

// Source draws Numbers. It is safe for concurrent use and never draws one twice, also when the
// clock steps back: it then goes on from the last millisecond it has seen.
type Source struct {
	now  func() time.Time
	node int64

	mu    sync.Mutex
	ms    int64
	count int64
}

// NewSource returns a Source for a node slot (0 to [Nodes]-1). No Number at or below floor is drawn:
// the store passes the highest it holds, so that a clock set back over a restart does no harm.
func NewSource(node int, floor Number, now func() time.Time) *Source {
	return &Source{now: now, node: int64(node % Nodes), ms: int64(floor) >> (nodeBits + counterBits), count: 1 << counterBits}
}

// Next draws one Number.
func (s *Source) Next() Number { return s.Run(1) }

// Run draws n consecutive Numbers (n from 1 to 65,536) and returns the first.
func (s *Source) Run(n int) Number {
	ms := s.now().Sub(Epoch).Milliseconds()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case ms > s.ms:
		s.ms, s.count = ms, 0
	case s.count+int64(n) > 1<<counterBits:
		s.ms, s.count = s.ms+1, 0
	}
	first := s.ms<<(nodeBits+counterBits) | s.node<<counterBits | s.count
	s.count += int64(n)
	return Number(first)
}

// Public is the unguessable name of a row.
type Public [16]byte

// String is 32 lower-case hexadecimal digits.
func (p Public) String() string { return hex.EncodeToString(p[:]) }

// ErrMalformed is returned for a name that no Sealer of this store has made.
var ErrMalformed = errors.New("not a name this store has given")

// ParsePublic reads the 32 hexadecimal digits of a name, in either case.
func ParsePublic(s string) (p Public, err error) {
	if len(s) != 32 {
		return p, ErrMalformed
	}
	if _, err := hex.Decode(p[:], []byte(s)); err != nil {
		return p, ErrMalformed
	}
	return p, nil
}

// Sealer makes public names from numbers and back.
type Sealer struct{ block cipher.Block }

// NewKey returns a fresh key for [NewSealer].
func NewKey() []byte {
	k := make([]byte, 16)
	rand.Read(k)
	return k
}

// NewSealer returns a Sealer under a 16-byte key, the same on all nodes of a store.
func NewSealer(key []byte) (*Sealer, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return &Sealer{b}, nil
}

// check fills the half of the block that the number leaves free.
const check = 0x6c6f6e676c696e65

// Seal names a number.
func (s *Sealer) Seal(n Number) (p Public) {
	binary.BigEndian.PutUint64(p[:8], uint64(n))
	binary.BigEndian.PutUint64(p[8:], check)
	s.block.Encrypt(p[:], p[:])
	return p
}

// Open returns the number behind a name, or [ErrMalformed].
func (s *Sealer) Open(p Public) (Number, error) {
	s.block.Decrypt(p[:], p[:])
	n := Number(binary.BigEndian.Uint64(p[:8]))
	if binary.BigEndian.Uint64(p[8:]) != check || n <= 0 {
		return 0, ErrMalformed
	}
	return n, nil
}
