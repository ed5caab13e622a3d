package longlines

import (
	"context"
	"time"

	"longlines/api/sandboxv1"
	"longlines/console"
	"longlines/number"
	"longlines/sandbox"
	"longlines/sandbox/phone"
)

// The sandbox API and the virtual network do not know each other (borders 19 and 20 of the layout);
// here their words meet.

// phoneBook is the virtual phones as api/sandboxv1 asks for them.
type phoneBook struct{ b *phone.Book }

func (p phoneBook) Phones() []sandboxv1.Phone {
	var out []sandboxv1.Phone
	for _, x := range p.b.Phones() {
		out = append(out, sandboxv1.Phone(x))
	}
	return out
}

func (p phoneBook) Read(m number.MSISDN) bool { return p.b.Read(m) }

func (p phoneBook) Messages(ctx context.Context, f sandboxv1.Filter, wait time.Duration) ([]sandboxv1.Message, error) {
	list, err := p.b.Messages(ctx, phone.Filter(f), wait)
	out := make([]sandboxv1.Message, len(list))
	for i, m := range list {
		out[i] = sandboxv1.Message(m)
	}
	return out, err
}

func (p phoneBook) Send(from number.MSISDN, to number.Address, text string) (sandboxv1.Message, error) {
	m, err := p.b.Send(from, to, text)
	return sandboxv1.Message(m), err
}

func (p phoneBook) Watch(after int64) ([]sandboxv1.Message, <-chan sandboxv1.Message, func()) {
	if after < 0 {
		after = p.b.Last()
	}
	recent, w := p.b.Watch(after)
	out := make([]sandboxv1.Message, len(recent))
	for i, m := range recent {
		out[i] = sandboxv1.Message(m)
	}
	live, stop, gone := make(chan sandboxv1.Message), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for {
			select {
			case m := <-w.C():
				select {
				case live <- sandboxv1.Message(m):
				case <-stop:
					return
				}
			case <-stop:
				return
			}
		}
	}()
	return out, live, func() { close(stop); <-gone; w.Close() }
}

// faultSet is the faults as api/sandboxv1 asks for them.
type faultSet struct{ f *sandbox.Faults }

func (s faultSet) Put(f sandboxv1.Fault) error { return s.f.Put(sandbox.Fault(f)) }
func (s faultSet) Clear()                      { s.f.Clear() }
func (s faultSet) Links() []string             { return s.f.Links() }

func (s faultSet) Set(all []sandboxv1.Fault) error {
	list := make([]sandbox.Fault, len(all))
	for i, f := range all {
		list[i] = sandbox.Fault(f)
	}
	return s.f.Set(list)
}

func (s faultSet) List() []sandboxv1.Fault {
	var out []sandboxv1.Fault
	for _, f := range s.f.List() {
		out = append(out, sandboxv1.Fault(f))
	}
	return out
}

// habits are the magic numbers for the console's table.
func habits() []console.Habit {
	var out []console.Habit
	for _, h := range phone.Habits() {
		out = append(out, console.Habit{NN: h.NN, Text: h.Name})
	}
	return out
}
