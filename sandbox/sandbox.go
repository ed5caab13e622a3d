package sandbox

import (
	"context"
	"log/slog"
	"time"

	"longlines/number"
	"longlines/sandbox/clock"
	"longlines/sandbox/phone"
	"longlines/sandbox/smsc"
)

// Config is what a virtual network needs. The zero value works.
type Config struct {
	SMSCListen string          // a loopback address; "": 127.0.0.1:2775. Port 0 takes a free one
	SystemID   string          // that ESMEs bind with; "": sandbox
	Password   string          // "": sandbox
	Link       string          // the name faults use for the link to the message centre; "": sandbox
	Phones     []number.MSISDN // that are always listed; nil: +14255550100 and +14255550101
	Clock      clock.Clock     // nil: clock.System
	Random     func() float64  // the dice of faults, from 0 to below 1; nil: math/rand
	Log        *slog.Logger
}

// Network is the running parts. They may be used as soon as [New] has returned; what goes over a socket
// waits for [Network.Run].
type Network struct {
	Phones *phone.Book
	Faults *Faults
	SMSC   *smsc.SMSC

	SystemID, Password string // that ESMEs bind with
}

// New makes a virtual network and opens its ports. It refuses addresses that are not on loopback.
// A network that is not run is closed.
func New(c Config) (*Network, error) {
	if c.SystemID == "" {
		c.SystemID = "sandbox"
	}
	if c.Password == "" {
		c.Password = "sandbox"
	}
	if c.Link == "" {
		c.Link = "sandbox"
	}
	n := &Network{
		Phones:   phone.New(phone.Config{Numbers: c.Phones, Clock: c.Clock}),
		Faults:   NewFaults([]string{c.Link}, c.Clock, c.Random),
		SystemID: c.SystemID, Password: c.Password,
	}
	var err error
	n.SMSC, err = smsc.New(smsc.Config{
		Listen: c.SMSCListen, SystemID: c.SystemID, Password: c.Password,
		Phones: n.Phones, Clock: c.Clock, Log: c.Log,
		Fault: func(to number.MSISDN) (uint32, time.Duration) { return n.Faults.Roll(c.Link, to) },
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}

// SMSCAddr is the address to bind to, such as "127.0.0.1:2775".
func (n *Network) SMSCAddr() string { return n.SMSC.Addr().String() }

// Run serves the ports until ctx ends and returns once all goroutines are gone. It is called once.
func (n *Network) Run(ctx context.Context) error { return n.SMSC.Run(ctx) }

// Close closes the ports of a network that is not run.
func (n *Network) Close() error { return n.SMSC.Close() }
