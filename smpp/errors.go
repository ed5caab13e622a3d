package smpp

import (
	"errors"
	"fmt"
)

// What became of a request that got no answer. They are found with errors.Is; the text says more.
var (
	// ErrNotSent: no octet of the PDU was handed to the kernel; it is certain that the peer has not seen it.
	ErrNotSent = errors.New("smpp: not sent")
	// ErrUnknown: at least one octet may have left and no response was read. Every ErrNoResponse and
	// ErrClosed is also an ErrUnknown (docs/reference/reliability.md §3.3).
	ErrUnknown = errors.New("outcome unknown")
	// ErrNoResponse: the response timer ran out, or the caller's context did.
	ErrNoResponse = fmt.Errorf("smpp: no response: %w", ErrUnknown)
	// ErrClosed: the session ended after octets of the PDU were written and before its response was read.
	ErrClosed = fmt.Errorf("smpp: session closed before the response: %w", ErrUnknown)
)

// Why a session ended, as Session.Err tells it.
var (
	// ErrPeerUnbound: the peer said unbind.
	ErrPeerUnbound = errors.New("smpp: peer unbound")
	// ErrDead: the peer left two enquire_link unanswered.
	ErrDead = errors.New("smpp: peer does not answer enquire_link")
	// ErrNotReading: the peer sends but does not read what it asked for.
	ErrNotReading = errors.New("smpp: peer does not read its answers")
)

// NackError is the error of a request that the peer answered with generic_nack (SMPP 3.4 §4.3):
// it did not recognise the PDU at all. It is deliberately not a Status, which would be the verdict on a message.
type NackError struct{ Status Status }

// Error tells the status of the generic_nack.
func (e *NackError) Error() string { return "generic_nack: " + e.Status.Error() }

// DecodeError says why octets are not a PDU.
type DecodeError struct {
	Header Header // as far as it could be read
	Status Status // what to answer
	Field  string // parameter by its standard name, or "" for the PDU itself
	Reason string
	// Fatal: the length cannot be trusted, so nobody knows where the next PDU begins. Answer generic_nack and
	// close. If not set the frame was whole: answer and go on.
	Fatal bool
}

// Error names the PDU, the parameter and the fault.
func (e *DecodeError) Error() string {
	s := "decode " + e.Header.ID.String()
	if e.Field != "" {
		s += ": " + e.Field
	}
	return s + ": " + e.Reason
}

// Unwrap gives the status to answer with.
func (e *DecodeError) Unwrap() error { return e.Status }

// EncodeError says which parameter of a PDU cannot be written. It does not fit the table: too long, or with a NUL inside.
type EncodeError struct {
	ID     CommandID
	Field  string
	Reason string
}

// Error names the PDU, the parameter and the fault.
func (e *EncodeError) Error() string {
	return "encode " + e.ID.String() + ": " + e.Field + ": " + e.Reason
}

// fieldError is a DecodeError before its header is known.
type fieldError struct {
	status        Status
	field, reason string
}

// notSent wraps cause without letting a session's own end look like an unknown outcome.
func notSent(cause error) error {
	if cause == nil || errors.Is(cause, ErrUnknown) {
		return ErrNotSent
	}
	return fmt.Errorf("%w: %w", ErrNotSent, cause)
}
