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
	mu  sync.RWMutex
	set map[optOut]struct{}
	// pending are those whose commit is under way. A reload must not forget them.
	pending map[optOut]int
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
	all, err := s.cfg.Store.OptOuts(ctx)
	if err != nil {
		return wrap("read the opt-outs", err)
	}
	set := make(map[optOut]struct{}, len(all))
	for _, o := range all {
		if !o.Again {
			set[optOut{o.App, o.From}] = struct{}{}
		}
	}
	o := &s.optOuts
	o.mu.Lock()
	defer o.mu.Unlock()
	for k := range o.pending {
		set[k] = struct{}{}
	}
	o.set = set
	if o.pending == nil {
		o.pending = map[optOut]int{}
	}
	return nil
}

// SetOptOut records an opt-out, or its end, that did not come as a text: an operator's, an import's.
func (s *Service) SetOptOut(ctx context.Context, o OptOut) error {
	if o.At.IsZero() {
		o.At = s.cfg.Now()
	}
	k := optOut{o.App, o.From}
	undo := func(bool) {}
	if !o.Again {
		_, undo = s.optOuts.begin(k)
	}
	err := s.cfg.Store.SetOptOut(context.WithoutCancel(ctx), o)
	undo(err != nil)
	if err == nil && o.Again {
		s.optOuts.remove(k)
	}
	return wrap("record an opt-out", err)
}

// begin adds an opt-out before its commit, so that no text slips out in between and no second
// confirmation is sent, and reports whether it is new. end must be called with whether the commit
// failed; then a new one is taken out again.
func (o *optOuts) begin(k optOut) (added bool, end func(failed bool)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, had := o.set[k]
	o.set[k] = struct{}{}
	o.pending[k]++
	return !had, func(failed bool) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.pending[k]--; o.pending[k] <= 0 {
			delete(o.pending, k)
		}
		if failed && !had && o.pending[k] == 0 {
			delete(o.set, k)
		}
	}
}

func (o *optOuts) has(k optOut) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	_, ok := o.set[k]
	return ok
}

func (o *optOuts) remove(k optOut) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pending[k] == 0 {
		delete(o.set, k)
	}
}

// stopText and startText confirm; they fit into one segment.
func stopText(code number.ShortCode) string {
	return "You will get no more texts from " + code.String() + ". Reply START to get them again."
}

func startText(code number.ShortCode) string {
	return "You will get texts from " + code.String() + " again. Reply STOP to end them."
}
