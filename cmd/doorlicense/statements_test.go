package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

// say signs a statement for a board and gives its code.
func (b board) say(t *testing.T, s license.Statement) license.Document {
	t.Helper()
	document, err := s.Sign(b.sign)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func textOf(d license.Document) string { return envelope.Armor(d.Kind, d.Raw) }

func TestInspectUnderstandsWhatPanelsSay(t *testing.T) {
	v, root, _ := dealer(t)
	a, b, c := newBoard(1), newBoard(2), newBoard(3)
	sold := v.sell("--key", "north.key", "--grant", "buttons=10", "--annual", "--label", "Villa Rosa")
	bound := v.sell("--key", "root.key", "--grant", "access_basic", "--panel", a.id)
	seats := v.sell("--key", "root.key", "--grant", "app_remote", "--scope", "account")
	rawOf := func(text string) []byte {
		_, raw, err := envelope.Unarmor(text)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	at := v.now.AddDate(0, 0, 1)
	activation := a.say(t, license.Activation{Panel: a.pub, License: rawOf(sold.Text), At: at})
	slice := func(given, returned int) license.Document {
		return a.say(t, license.Slice{Holder: a.pub, Activation: activation.Raw, To: envelope.ThumbprintOf(b.pub), Feature: license.Buttons, Given: given, Returned: returned, At: at.Add(time.Hour)})
	}
	account := a.say(t, license.Activation{Panel: a.pub, License: rawOf(seats.Text), At: at, Account: "rossi", AssignedAt: at})
	others := b.say(t, license.Activation{Panel: b.pub, License: rawOf(bound.Text), At: at})
	list := v.must("revoke", "--key", "root.key", "--license", sold.ID)
	command := v.must("keygen", "command", "--unencrypted")
	var order struct{ Base64 []byte }
	if err := json.Unmarshal([]byte(v.must("command", "--key", "command.key", "--panel", a.id, "--boot", "9f2c", "--number", "7", "--deadline-ms", "61000", "--open", "front", "--json")), &order); err != nil {
		t.Fatal(err)
	}
	commandText := envelope.Armor(envelope.Command, order.Base64)
	rawPass, err := license.Pass{Panel: a.pub, ID: license.TokenID{1}, NotBefore: at, Expires: at.AddDate(0, 0, 2), Uses: 2, Doors: []string{"front", "side"}}.Sign(a.sign)
	if err != nil {
		t.Fatal(err)
	}
	pass := envelope.Armor(envelope.Pass, rawPass)
	v.now = v.now.AddDate(0, 0, 2)

	for _, x := range []struct {
		name, text string
		code       int
		wants      []string
		args       []string
	}{
		{"an identity", textOf(a.say(t, license.Identity{Panel: a.pub, Name: "Stairs A", At: at})), done, []string{"kind       identity", "panel      " + a.id, "Stairs A", envelope.KeyText(a.pub), "compare the id"}, nil},
		{"an activation", textOf(activation), done, []string{"genuine, and it holds", "Villa Rosa", "buttons=10", "activated  2026-11-22T12:00:00Z by panel " + a.id, "until 2027-11-22", "issuer     Dealer North"}, nil},
		{"an account", textOf(account), done, []string{"account    rossi"}, nil},
		{"a slice", textOf(slice(6, 2)), done, []string{"gives panel " + b.id + " 4 of buttons: given 6 in all, 2 returned until 2027-11-22", "for panel  " + b.id}, nil},
		{"a slice, for its panel", textOf(slice(6, 2)), done, []string{"genuine"}, []string{"--panel", b.id}},
		{"a slice, at another panel", textOf(slice(6, 2)), refused, []string{"other-panel", "for panel " + b.id}, []string{"--panel", c.id}},
		{"a slice, a year later", textOf(slice(6, 2)), refused, []string{"expired", "ended on 2027-11-22"}, []string{"--at", "2027-11-23"}},
		{"a slice of a revoked license", textOf(slice(6, 2)), refused, []string{"revoked"}, []string{"--revocation", list}},
		{"a slice of more than there is", textOf(slice(13, 2)), refused, []string{"pool-exhausted", "gives 11 of buttons, the license has 10"}, nil},
		{"a slice of what another panel activated", textOf(c.say(t, license.Slice{Holder: c.pub, Activation: activation.Raw, To: envelope.ThumbprintOf(b.pub), Feature: license.Buttons, Given: 1, At: at})),
			refused, []string{"what another panel activated"}, nil},
		{"a return", textOf(b.say(t, license.Return{Panel: b.pub, Slice: slice(6, 2).Raw, Returned: 5, At: at})), done, []string{"has given panel " + a.id + " 5 of 6 buttons back"}, nil},
		{"a return of too much", textOf(b.say(t, license.Return{Panel: b.pub, Slice: slice(6, 2).Raw, Returned: 7, At: at})), refused, []string{"pool-exhausted", "7 back, 6 were given"}, nil},
		{"a return by a third", textOf(c.say(t, license.Return{Panel: c.pub, Slice: slice(6, 2).Raw, Returned: 5, At: at})), refused, []string{"what panel " + b.id + " has"}, nil},
		{"a release", a.proof(t, sold.Text, at), done, []string{"gave this license up on 2026-11-22", "another panel takes it over"}, nil},
		{"a release of a bound license", a.proof(t, bound.Text, at), done, []string{"for that panel alone", "doorlicense release"}, nil},
		{"an activation by the wrong panel", textOf(others), refused, []string{"other-panel", "is for panel " + a.id}, nil},
		{"a pass", pass, done, []string{"kind       pass", "front, side, 2 times", "begins     2026-11-22T12:00:00Z", "ends       2026-11-24T12:00:00Z", "only that panel knows"}, nil},
		{"a pass, later", pass, refused, []string{"expired", "ended on 2026-11-24"}, []string{"--at", "2026-11-25"}},
		{"a pass, before", pass, refused, []string{"not-yet-valid", "begins on 2026-11-22"}, []string{"--at", "2026-11-22"}},
		{"a command", commandText, done, []string{"open front", "number     7", "for panel  " + a.id, "61000 ms"}, []string{"--command-key", command}},
		{"a command of nobody", commandText, refused, []string{"unknown-issuer", "--command-key"}, nil},
		{"as JSON", textOf(slice(6, 2)), done, []string{`"given": 6`, `"returned": 2`, `"holder": "` + a.id, `"ends": "2027-11-22T12:00:00Z"`}, []string{"--json"}},
	} {
		code, out, notes := v.run("", append([]string{"inspect", x.text, "--root", root, "--delegation", "north.delegation"}, x.args...)...)
		if code != x.code {
			t.Errorf("%s: exit %d %s%s", x.name, code, out, notes)
		}
		for _, want := range x.wants {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", x.name, want, out)
			}
		}
		damaged := []byte(x.text)
		damaged[len(damaged)-4] = '0' + (damaged[len(damaged)-4]-'0'+1)%10
		if code, out, _ := v.run("", append([]string{"inspect", string(damaged), "--root", root, "--delegation", "north.delegation"}, x.args...)...); code != refused || strings.Contains(out, "by panel") {
			t.Errorf("%s, damaged: exit %d %s", x.name, code, out)
		}
	}
	// Without its root nothing of the license in it is shown.
	if code, out, _ := v.run("", "inspect", textOf(activation)); code != refused || strings.Contains(out, "Villa Rosa") || !strings.Contains(out, "--root") {
		t.Error(code, out)
	}
}
