package app_test

import (
	"context"
	"errors"
	"testing"

	"longlines/app"
)

func TestARedirectURIHoldsNoPartOfTheAnswer(t *testing.T) {
	ctx := context.Background()
	_, d := open(t)
	for uri, good := range map[string]bool{
		"https://pizza.example/cb?shop=1":            true,
		"https://pizza.example/code":                 true,
		"https://pizza.example/cb?code=1":            false,
		"https://pizza.example/cb?shop=1&%63ode=1":   false,
		"https://pizza.example/cb?error=none":        false,
		"https://pizza.example/cb?iss=https://x.com": false,
		"https://pizza.example/cb?Code=2":            false,
		"https://pizza.example/cb?code%5B%5D=3":      false,
		"https://pizza.example/cb?code[]=3":          false,
		"https://pizza.example/cb?a;code":            false,
		"https://pizza.example/cb?+error":            false,
		"https://pizza.example/cb?zipcode=98052":     false,
		"https://pizza.example/cb?showerror=1":       false,
		"https://pizza.example/cb/code=5":            false,
		"https://pizza.example/cb/code%3D5":          false,
		"https://pizza.example/cb?a=code%3D":         false,
		"https://pizza.example/cb?codes=1&zip=2":     true,
		"https://pizza.example/error?decoder=1":      true,
		"https://pizza.example/cb%zz?a=1":            false,
	} {
		_, _, err := d.Create(ctx, app.App{Name: uri[21:], RedirectURI: uri}, "")
		var invalid *app.Invalid
		if good != (err == nil) || !good && (!errors.As(err, &invalid) || invalid.Field != "redirect_uri") {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestNoAppIsCalledTheOperator(t *testing.T) {
	_, d := open(t)
	for _, name := range []string{"operator", " Operator ", "ＯＰＥＲＡＴＯＲ"} {
		var invalid *app.Invalid
		if _, _, err := d.Create(context.Background(), app.App{Name: name}, ""); !errors.As(err, &invalid) || invalid.Field != "name" {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestAPromotionTakesNoKeyOfTheSandboxAlong(t *testing.T) {
	ctx := context.Background()
	_, d := open(t)
	const old, other = `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"}]}`
	a, _, err := d.Create(ctx, app.App{Name: "signed", Auth: app.AuthKey, Keys: old}, "")
	if err != nil {
		t.Fatal(err)
	}
	var invalid *app.Invalid
	if _, _, err := d.Promote(ctx, a.ID, app.Promotion{Keys: old}); !errors.As(err, &invalid) || invalid.Field != "keys" {
		t.Fatalf("with the sandbox's keys: %v", err)
	}
	live, _, err := d.Promote(ctx, a.ID, app.Promotion{Keys: other})
	if err != nil || live.Key == a.Key || live.Level != app.LevelProduction {
		t.Fatalf("%+v %v", live, err)
	}
}

func TestNamesCanBeSeen(t *testing.T) {
	_, d := open(t)
	for _, name := range []string{"\u3164", "\u2800", "\u115f", "\u1160", "\uffa0", "\u034f", "\u17b4", "\u2065", "\ufe0f", "\U000e0100", "\U0001d159",
		"\u2800 \u2800", "Pizza\u3164", "\u0301", "Pizza\u200bHut", "Pizza\u2028Hut"} {
		for _, a := range []app.App{{Name: name}, {Name: "seen", Owner: name}} {
			field := "name"
			if a.Owner != "" {
				field = "owner"
			}
			var invalid *app.Invalid
			if _, _, err := d.Create(context.Background(), a, ""); !errors.As(err, &invalid) || invalid.Field != field {
				t.Errorf("%s %+q: %v", field, name, err)
			}
		}
	}
	for _, name := range []string{"Pizza", "한글", "ไทย", "क्ष", "7", "!", "€", "Zoë\u0301", "☕"} {
		if _, _, err := d.Create(context.Background(), app.App{Name: name, Owner: name}, ""); err != nil {
			t.Errorf("%+q: %v", name, err)
		}
	}
}
