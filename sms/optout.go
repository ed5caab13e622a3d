package sms

import (
	"context"
	"strings"
	"sync"
	"unicode"

	"longlines/app"
	"longlines/number"
)

// A subscriber who answers STOP gets no more texts from the app, by law and by the rules of every
// carrier (docs/reference/reliability.md §2.5). The word is looked for before any app sees the text;
// its effect is durable before the centre is told that we have it; and it is looked at again at the
// moment of submitting, so that what was accepted before the STOP is not sent after it.

// stopWords end texts; they are conclusive by 47 CFR 64.1200(a)(10).
var stopWords = words("stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out")

// startWords bring them back.
var startWords = words("start", "unstop", "yes")

func words(list ...string) map[string]bool {
	m := map[string]bool{}
	for _, w := range list {
		m[w] = true
	}
	return m
}

// keyword is a text as it is compared with the words: lower case, letters and digits, single blanks.
// What is longer than any of the words is none.
func keyword(text string) string {
	if len(text) > 256 {
		return ""
	}
	var b strings.Builder
	blank := false
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			blank = true
		case unicode.IsLetter(r), unicode.IsDigit(r):
			if blank && b.Len() > 0 {
				b.WriteByte(' ')
			}
			blank = false
			b.WriteRune(unicode.ToLower(r))
		}
		if b.Len() > 32 {
			return ""
		}
	}
	return b.String()
}

// Keyword reports what a whole text asks for: stop, start, or neither. word is how it is recorded.
func Keyword(text string) (word string, stop, start bool) {
	k := keyword(text)
	return strings.ToUpper(k), stopWords[k], startWords[k]
}

// optOuts is who has refused whose texts, in memory.
type optOuts struct {
	reload sync.Mutex // held by one at a time: what was read earlier must not replace what was read later

	mu      sync.RWMutex
	set     map[optOut]struct{}
	pending map[optOut]*change
	// since is what was committed while a reload reads, which may have read what was before; nil if none
	// does. True is an opt-out, false its end.
	since map[optOut]bool
}

// change is an opt-out, or its end, whose commit is under way.
type change struct {
	again bool
	stood bool // the opt-out stands without it
	over  chan struct{}
}

type optOut struct {
	app app.ID // 0: all apps
	to  number.MSISDN
}

// OptedOut reports whether a subscriber has refused the app's texts, or everybody's.
func (s *Service) OptedOut(a app.ID, to number.MSISDN) bool {
	o := &s.optOuts
	o.mu.RLock()
	defer o.mu.RUnlock()
	if _, ok := o.set[optOut{a, to}]; ok {
		return true
	}
	_, ok := o.set[optOut{0, to}]
	return ok
}

// ReloadOptOuts reads all opt-outs again, as after a change on another node.
func (s *Service) ReloadOptOuts(ctx context.Context) error {
	o := &s.optOuts
	o.reload.Lock()
	defer o.reload.Unlock()
	o.mu.Lock()
	o.since = map[optOut]bool{}
	o.mu.Unlock()
	all, err := s.cfg.Store.OptOuts(ctx)
	set := make(map[optOut]struct{}, len(all))
	for _, o := range all {
		if !o.Again {
			set[optOut{o.App, o.From}] = struct{}{}
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	since := o.since
	o.since = nil
	if err != nil {
		return wrap("read the opt-outs", err)
	}
	for k, out := range since {
		if out {
			set[k] = struct{}{}
		} else {
			delete(set, k)
		}
	}
	for k, c := range o.pending {
		if !c.again {
			_, c.stood = set[k]
			set[k] = struct{}{}
		}
	}
	o.set = set
	return nil
}

// SetOptOut records an opt-out, or its end, that did not come as a text: an operator's, an import's.
func (s *Service) SetOptOut(ctx context.Context, o OptOut) error {
	if o.At.IsZero() {
		o.At = s.cfg.Now()
	}
	_, end, err := s.optOuts.begin(ctx, optOut{o.App, o.From}, o.Again)
	if err != nil {
		return wrap("record an opt-out", err)
	}
	done := false
	defer func() { end(done) }()
	err = s.cfg.Store.SetOptOut(context.WithoutCancel(ctx), o)
	done = err == nil
	return wrap("record an opt-out", err)
}

// begin announces an opt-out, or its end, before its commit, and reports whether it is news. An opt-out
// counts from then on, so that no text slips out in between and no second confirmation is sent. A change
// of what another is changing waits for that one until ctx ends: else a STOP and a START over two links
// might be remembered in one order and stored in the other. end must be called with whether the change is
// committed.
func (o *optOuts) begin(ctx context.Context, k optOut, again bool) (news bool, end func(committed bool), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.pending[k] != nil {
		over := o.pending[k].over
		o.mu.Unlock()
		select {
		case <-over:
		case <-ctx.Done():
			err = ctx.Err()
		}
		o.mu.Lock()
		if err != nil {
			return false, nil, err
		}
	}
	_, stood := o.set[k]
	c := &change{again: again, stood: stood, over: make(chan struct{})}
	if o.pending == nil {
		o.pending = map[optOut]*change{}
	}
	o.pending[k] = c
	if !again {
		o.set[k] = struct{}{}
	}
	return stood == again, func(committed bool) { o.end(k, c, committed) }, nil
}

func (o *optOuts) end(k optOut, c *change, committed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.pending, k)
	close(c.over)
	if c.again && committed || !c.again && !committed && !c.stood {
		delete(o.set, k)
	}
	if committed && o.since != nil {
		o.since[k] = !c.again
	}
}

func (o *optOuts) has(k optOut) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	_, ok := o.set[k]
	return ok
}

// stopText and startText confirm; they fit into one segment.
func stopText(code number.ShortCode) string {
	return "You will get no more texts from " + code.String() + ". Reply START to get them again."
}

func startText(code number.ShortCode) string {
	return "You will get texts from " + code.String() + " again. Reply STOP to end them."
}
