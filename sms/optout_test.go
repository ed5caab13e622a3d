package sms_test

import (
	"strings"
	"testing"

	"longlines/sms"
)

func TestKeyword(t *testing.T) {
	for _, tt := range []struct {
		text        string
		stop, start bool
	}{
		{"STOP", true, false}, {"stop", true, false}, {" Stop. ", true, false}, {"stop!!!", true, false}, {"\"STOP\"", true, false},
		{"STOPALL", true, false}, {"stop all", true, false}, {"Unsubscribe", true, false}, {"CANCEL", true, false}, {"end", true, false},
		{"Quit\n", true, false}, {"revoke", true, false}, {"OPTOUT", true, false}, {"opt out", true, false}, {"Opt-Out", true, false}, {"opt  out", true, false},
		{"(stop)", true, false}, {"ＳＴＯＰ", false, false}, {"st\u200bop", true, false}, {"STOP 🛑", true, false},
		{"START", false, true}, {"unstop", false, true}, {"Yes!", false, true},
		{"please stop", false, false}, {"stop it", false, false}, {"non-stop", false, false}, {"", false, false}, {"...", false, false},
		{"s t o p", false, false}, {"stopp", false, false}, {"the end", false, false}, {strings.Repeat(" ", 300) + "stop", false, false},
	} {
		if _, stop, start := sms.Keyword(tt.text); stop != tt.stop || start != tt.start {
			t.Errorf("Keyword(%q) = %v, %v", tt.text, stop, start)
		}
	}
}

// A word is a word however it is decorated, and never both a stop and a start.
func FuzzKeyword(f *testing.F) {
	for _, s := range []string{"STOP", "opt out", "yes", "\xff", "İ", "stop\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		word, stop, start := sms.Keyword(text)
		if stop && start {
			t.Fatalf("%q is both", text)
		}
		if len(word) > 64 {
			t.Fatalf("%q has the word %q", text, word)
		}
		if _, again, _ := sms.Keyword(" ..." + text + "!! "); len(text) < 200 && again != stop {
			t.Fatalf("%q: %v, decorated %v", text, stop, again)
		}
	})
}
