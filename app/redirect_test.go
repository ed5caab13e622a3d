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
	} {
		_, _, err := d.Create(ctx, app.App{Name: uri[22:], RedirectURI: uri}, "")
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
