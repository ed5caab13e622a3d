package app_test

import (
	"context"
	"testing"
	"unsafe"

	"longlines/app"
	"longlines/number"
)

func TestOnlyTheDirectoryMakesTenants(t *testing.T) {
	ctx := context.Background()
	s, d := open(t)
	pizza, _, err := d.Create(ctx, app.App{Name: "pizza"}, "")
	if err != nil {
		t.Fatal(err)
	}
	forged := *pizza
	forged.ID++
	read, err := s.Apps(ctx)
	if err != nil || len(read) != 1 {
		t.Fatal(len(read), err)
	}
	operated, err := app.NewDirectory(ctx, s, app.Config{Operator: number.ShortCode("48500")})
	if err != nil {
		t.Fatal(err)
	}
	operator := operated.Operator(app.LevelSandbox)
	nobody := app.Tenant{}.App()
	for _, c := range []struct {
		name string
		app  *app.App
		want app.ID
	}{
		{"an app of the directory", pizza, pizza.ID},
		{"the operator", operator, operator.ID},
		{"no app", nil, nobody},
		{"an app that was made up", &app.App{ID: pizza.ID}, nobody},
		{"an app that was read past the directory", &read[0], nobody},
		{"a copy with another number", &forged, pizza.ID},
	} {
		if got := c.app.Tenant().App(); got != c.want {
			t.Errorf("%s: the rows of %d, want %d", c.name, got, c.want)
		}
	}
	if nobody >= 0 || d.ByID(nobody) != nil {
		t.Errorf("nobody's number %d is somebody's", nobody)
	}
	if size := unsafe.Sizeof(app.Tenant{}); size != 8 {
		t.Errorf("a tenant takes %d bytes, want 8", size)
	}
}
