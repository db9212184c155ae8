package telemetry_test

import (
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/telemetry"
)

func TestReturnOrderIsReadInOneFormOnly(t *testing.T) {
	id := strings.Repeat("0a", 16)
	good := telemetry.ReturnOrder{License: id, Feature: "sip_numbers", Total: 12}
	if got, err := telemetry.ParseReturnOrder(good.String()); err != nil || got != good {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{
		"", id, id + " buttons", id + " buttons 0", id + " buttons -1", id + " buttons 01", id + " buttons +1", id + "  buttons 1", id + " buttons 1 ", id + " Buttons 1",
		id + " buttons 1000000001", strings.ToUpper(id) + " buttons 1", id[:31] + " buttons 1", id + " " + strings.Repeat("b", 33) + " 1",
	} {
		if got, err := telemetry.ParseReturnOrder(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func FuzzParseReturnOrder(f *testing.F) {
	f.Add(strings.Repeat("0a", 16) + " buttons 12")
	f.Add("x y z")
	f.Fuzz(func(t *testing.T, text string) {
		if o, err := telemetry.ParseReturnOrder(text); err == nil && o.String() != text {
			t.Fatalf("%q is read as %q", text, o)
		}
	})
}
