package app

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"longlines/fault"
)

// Secret is how an App Secret is checked: "sha256:<hex>" for one the platform generated (165 random
// bits need no slow hash, docs/reference/reliability.md T4), "argon2id:…" for one a person chose.
// It has no way back to the secret, and never prints.
type Secret string

// String hides even the hash, so that no log carries it.
func (Secret) String() string { return "[secret]" }

// GoString likewise.
func (Secret) GoString() string { return "[secret]" }

// MarshalText likewise, for JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

const (
	prefixSHA256 = "sha256:"
	prefixArgon  = "argon2id:"

	// TokenLen is the length of generated keys and secrets: 32 lower-case alphanumerics, 165 bits
	// (docs/reference/oauth.md §8).
	TokenLen = 32

	// The figures of argon2id: 19 MiB, two passes, one lane (RFC 9106 §4 leaves them to the
	// memory that can be spared; a small footprint is promised).
	argonTime   = 2
	argonMemory = 19 << 10 // KiB
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32

	maxSecret = 256 // bytes of a secret that is presented
)

// randomWord draws [TokenLen] characters from a-z and 0-9, each equally likely.
func randomWord() string {
	const digits = "abcdefghijklmnopqrstuvwxyz0123456789"
	var out [TokenLen]byte
	var b [64]byte
	for n := 0; n < len(out); {
		rand.Read(b[:])
		for _, c := range b {
			// 252 is the greatest multiple of 36 in a byte; what is above would favour the first letters.
			if c < 252 && n < len(out) {
				out[n] = digits[c%36]
				n++
			}
		}
	}
	return string(out[:])
}

// hashGenerated is the form in which a generated secret is kept.
func hashGenerated(secret string) Secret {
	sum := sha256.Sum256([]byte(secret))
	return Secret(prefixSHA256 + hex.EncodeToString(sum[:]))
}

// hashChosen is the form in which a chosen secret is kept.
func hashChosen(secret string) Secret {
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	key := argon2.IDKey([]byte(secret), salt, argonTime, argonMemory, argonLanes, argonKey)
	return Secret(fmt.Sprintf("%st=%d,m=%d,p=%d:%s:%s", prefixArgon, argonTime, argonMemory, argonLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)))
}

// matches reports whether the secret is the one that was hashed. A slot must be held for argon2id.
func (s Secret) matches(secret string) bool {
	stored := string(s)
	if h, ok := strings.CutPrefix(stored, prefixSHA256); ok {
		var want [sha256.Size]byte
		if n, err := hex.Decode(want[:], []byte(h)); err != nil || n != len(want) {
			return false
		}
		got := sha256.Sum256([]byte(secret))
		return subtle.ConstantTimeCompare(got[:], want[:]) == 1
	}
	h, ok := strings.CutPrefix(stored, prefixArgon)
	if !ok {
		return false
	}
	params, rest, _ := strings.Cut(h, ":")
	saltText, keyText, _ := strings.Cut(rest, ":")
	var t, m uint32
	var p uint8
	if _, err := fmt.Sscanf(params, "t=%d,m=%d,p=%d", &t, &m, &p); err != nil || t == 0 || p == 0 || m > 1<<20 || t > 64 {
		return false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(saltText)
	want, err2 := base64.RawStdEncoding.DecodeString(keyText)
	if err1 != nil || err2 != nil || len(want) == 0 {
		return false
	}
	got := argon2.IDKey([]byte(secret), salt, t, m, p, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1
}

// verifier checks secrets. A slow hash takes tens of milliseconds and 19 MiB, so few run at once and few
// wait, few of them for any one app: whoever tries secrets of an app keeps only that app from being heard.
// A secret that was right is remembered for a day and never waits; one that was wrong is not hashed again
// (docs/performance.md).
type verifier struct {
	now    func() time.Time
	key    [32]byte      // of the HMAC; drawn at the start, so that the caches are worthless elsewhere
	slots  chan struct{} // slow hashes running
	queue  chan struct{} // slow hashes running or waiting
	mu     sync.Mutex
	places map[ID]*place                   // of the apps with slow hashes in the queue, or before it
	proven map[[sha256.Size]byte]time.Time // until when
	wrong  map[[sha256.Size]byte]struct{}
	asked  map[[sha256.Size]byte]*question // being hashed
}

// place is how many slow hashes an app may have in the queue.
type place struct {
	taken chan struct{}
	users int // calls that hold or want it; with the last it is forgotten
}

// question is a slow hash that several callers wait for: of a crowd with one secret, one hashes it.
type question struct {
	done chan struct{}
	ok   bool
	err  error
}

const (
	slowHashes  = 2
	slowPerApp  = 4
	slowQueue   = 64
	provenFor   = 24 * time.Hour // a rotated secret is forgotten at once all the same, see proof
	provenLimit = 10_000
	wrongLimit  = 10_000
)

func newVerifier(now func() time.Time) *verifier {
	v := &verifier{
		now:    now,
		slots:  make(chan struct{}, slowHashes),
		queue:  make(chan struct{}, slowQueue),
		places: map[ID]*place{},
		proven: map[[sha256.Size]byte]time.Time{},
		wrong:  map[[sha256.Size]byte]struct{}{},
		asked:  map[[sha256.Size]byte]*question{},
	}
	rand.Read(v.key[:])
	return v
}

type patientKey struct{}

// Patient is a context in which [Directory.CheckSecret] waits for its turn, as long as the context lasts,
// where it would be refused: of a call that is never shed (docs/reference/reliability.md P16).
func Patient(ctx context.Context) context.Context { return context.WithValue(ctx, patientKey{}, true) }

// check reports whether secret is the app's. Its error is fault.Unavailable when too many slow
// hashes wait already, or the context's.
func (v *verifier) check(ctx context.Context, a *App, secret string) (bool, error) {
	if secret == "" || len(secret) > maxSecret || a.Secret == "" {
		return false, nil
	}
	if strings.HasPrefix(string(a.Secret), prefixSHA256) {
		return a.Secret.matches(secret), nil
	}
	proof := v.proof(a, secret)
	if patient, _ := ctx.Value(patientKey{}).(bool); patient {
		// It answers for itself alone: who may be refused must not make it so, nor wait as long.
		if ok, known := v.known(proof); known {
			return ok, nil
		}
		return v.hash(ctx, a, secret, proof, true)
	}
	v.mu.Lock()
	if ok, known := v.recall(proof); known {
		v.mu.Unlock()
		return ok, nil
	}
	if q := v.asked[proof]; q != nil {
		v.mu.Unlock()
		select {
		case <-q.done:
			return q.ok, q.err
		case <-ctx.Done():
			return false, leaves(ctx)
		}
	}
	q := &question{done: make(chan struct{})}
	v.asked[proof] = q
	v.mu.Unlock()
	// The first caller asks for all, so it does not leave before the answer: a second or two.
	q.ok, q.err = v.hash(ctx, a, secret, proof, false)
	v.mu.Lock()
	delete(v.asked, proof)
	v.mu.Unlock()
	close(q.done)
	return q.ok, q.err
}

func leaves(ctx context.Context) error {
	return fmt.Errorf("wait to check a secret: %w", ctx.Err())
}

// hash compares a secret by its slow hash, when its turn has come, and remembers the answer.
func (v *verifier) hash(ctx context.Context, a *App, secret string, proof [sha256.Size]byte, patient bool) (bool, error) {
	p := v.place(a.ID)
	defer v.leave(a.ID, p)
	for _, c := range []chan struct{}{p.taken, v.queue} { // in this order: who waits for the app is in nobody else's way
		if err := enter(ctx, c, patient); err != nil {
			return false, err
		}
		defer func() { <-c }()
	}
	v.slots <- struct{}{} // at most slowQueue hashes are in front of us
	defer func() { <-v.slots }()
	if ok, known := v.known(proof); known { // since we began to wait
		return ok, nil
	}
	ok := a.Secret.matches(secret)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.remember(proof, ok)
	return ok, nil
}

// enter takes a place in c. Its errors are fault.Unavailable, and of a patient caller the context's.
func enter(ctx context.Context, c chan struct{}, patient bool) error {
	select {
	case c <- struct{}{}:
		return nil
	default:
	}
	if !patient {
		return fault.Unavailable.Because(fmt.Errorf("%d secrets wait to be checked", cap(c)))
	}
	select {
	case c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return leaves(ctx)
	}
}

// place is where the slow hashes of an app queue; leave must follow.
func (v *verifier) place(n ID) *place {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := v.places[n]
	if p == nil {
		p = &place{taken: make(chan struct{}, slowPerApp)}
		v.places[n] = p
	}
	p.users++
	return p
}

func (v *verifier) leave(n ID, p *place) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p.users--; p.users == 0 {
		delete(v.places, n)
	}
}

func (v *verifier) known(proof [sha256.Size]byte) (ok, known bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.recall(proof)
}

// recall is the answer that a pair of app and secret got before. v.mu is held.
func (v *verifier) recall(proof [sha256.Size]byte) (ok, known bool) {
	if until, ok := v.proven[proof]; ok && v.now().Before(until) {
		return true, true
	}
	_, known = v.wrong[proof]
	return false, known
}

// remember keeps an answer. v.mu is held.
func (v *verifier) remember(proof [sha256.Size]byte, ok bool) {
	if !ok {
		if len(v.wrong) >= wrongLimit { // somebody guesses, so nothing in it will be asked again
			clear(v.wrong)
		}
		v.wrong[proof] = struct{}{}
		return
	}
	now := v.now()
	if len(v.proven) >= provenLimit {
		for k, until := range v.proven {
			if !now.Before(until) {
				delete(v.proven, k)
			}
		}
		if len(v.proven) >= provenLimit {
			clear(v.proven)
		}
	}
	v.proven[proof] = now.Add(provenFor)
}

// proof names a pair of app and secret. The stored form is part of it, so a rotated secret is
// forgotten at once.
func (v *verifier) proof(a *App, secret string) (p [sha256.Size]byte) {
	h := hmac.New(sha256.New, v.key[:])
	fmt.Fprintf(h, "%d\x00%s\x00", a.ID, string(a.Secret))
	h.Write([]byte(secret))
	h.Sum(p[:0])
	return p
}
