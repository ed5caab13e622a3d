// Package sandbox is the virtual network that Longlines brings along: servers on loopback that speak the
// standards' protocols, with virtual phones behind them. The product connects to it as it would to a
// real network, over a socket, and cannot tell the difference; no part of the product asks
// whether it runs in a sandbox.
//
//	 the product              the virtual network
//	┌────────────┐  SMPP  ┌─────────┐       ┌────────────┐
//	│ south/smsc ├───────►│  smsc   ├──────►│   phone    │◄── a person, a test (api/sandboxv1)
//	└────────────┘        └────▲────┘       └────────────┘
//	                           │ Faults: what goes wrong on purpose
//
// A [Network] holds the parts that run: the phones (package phone), the message centre (package smsc), and the
// [Faults]. Most of what can go wrong needs no fault, only the right number to write to: see [longlines/sandbox/phone.Habits].
//
// Nothing here listens on anything but loopback, and nothing connects outward: a text that reaches the virtual
// network ends there.
package sandbox
