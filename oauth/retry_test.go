package oauth

import (
	"slices"
	"strings"
	"testing"

	"longlines/id"
)

func TestSealedReply(t *testing.T) {
	s, err := id.NewSealer(id.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	text, _ := mint(s, 1)
	other, _ := mint(s, 1)
	access, _ := mint(s, 2)
	refresh, _ := mint(s, 3)
	key := [32]byte{1}
	out := Issued{Access: access, Refresh: refresh, Scopes: "IMMN,MIM", Bound: true}
	sealed, err := sealReply(text, 7, key, out)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := openReply(text, 7, key, sealed); !ok || got != out {
		t.Fatalf("%+v", got)
	}
	for name, open := range map[string]func() (Issued, bool){
		"another code":        func() (Issued, bool) { return openReply(other, 7, key, sealed) },
		"another row":         func() (Issued, bool) { return openReply(text, 8, key, sealed) },
		"another key":         func() (Issued, bool) { return openReply(text, 7, [32]byte{2}, sealed) },
		"no key":              func() (Issued, bool) { return openReply(text, 7, [32]byte{}, sealed) },
		"the code in capital": func() (Issued, bool) { return openReply(strings.ToUpper(text), 7, key, sealed) },
		"nothing sealed":      func() (Issued, bool) { return openReply(text, 7, key, nil) },
	} {
		if got, ok := open(); ok || got != (Issued{}) {
			t.Errorf("%s opens it: %+v", name, got)
		}
	}
	for i := range sealed {
		bad := slices.Clone(sealed)
		bad[i] ^= 1
		if _, ok := openReply(text, 7, key, bad); ok {
			t.Fatalf("byte %d does not matter", i)
		}
		if _, ok := openReply(text, 7, key, sealed[:i]); ok {
			t.Fatalf("the first %d bytes open", i)
		}
	}
	again, err := sealReply(text, 7, key, out)
	if err != nil || slices.Equal(again, sealed) {
		t.Fatal("sealed twice alike", err)
	}
}
