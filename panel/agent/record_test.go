package agent_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
)

var badge = agent.Record{
	Boot: boot, Now: panel.Now{Mono: 9_123_456 * time.Millisecond, Wall: time.UnixMilli(1795425180123).UTC(), Trusted: true},
	Entry: panel.Entry{Kind: panel.AccessGranted, Door: "front", Why: "card", Reader: "front-in", Detail: "card", Who: "Maria Bianchi", Credential: "c-7f3a91c2"},
}

func TestARecordComesBackAsItWas(t *testing.T) {
	full := badge
	full.Entry.Call, full.Entry.Button = "call-12", 3
	full.Now.ByHand = true
	full.Remember = []panel.Memory{{Key: "guess", Value: "0"}, {Key: "tamper", Value: ""}, {Key: "inside/", Value: ""}, {Key: "inside/Maria", Value: "1 front"}}
	full.Entry.Sealed = bytes.Repeat([]byte{7}, 49)
	present := agent.Record{Boot: boot, Now: badge.Now, Entry: panel.Entry{Kind: panel.PresenceEmpty}, Remember: []panel.Memory{{Key: "inside/Maria", Value: ""}}}
	for name, record := range map[string]agent.Record{
		"a badge": badge, "everything": full, "somebody taken off the list": present, "nobody named": {Boot: boot, Now: badge.Now, Entry: panel.Entry{Kind: panel.FireOn}},
	} {
		t.Run(name, func(t *testing.T) {
			open, personal := record.Encode()
			got, err := agent.Decode(open, personal)
			if err != nil || !reflect.DeepEqual(got, record) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, record)
			}
			if named := record.Entry.Who != "" || record.Remember != nil; named != (len(personal) > 0) {
				t.Errorf("the personal part has %d bytes", len(personal))
			}
			if bytes.Contains(open, []byte("Maria")) || bytes.Contains(open, []byte("7f3a91c2")) {
				t.Error("the part that stays names a person")
			}
		})
	}
}

func TestAnErasedPersonLeavesTheRest(t *testing.T) {
	open, _ := badge.Encode()
	got, err := agent.Decode(open, nil)
	want := badge
	want.Entry.Who, want.Entry.Credential = "", ""
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWhatIsForgottenIsNotRememberedAfterAReplay(t *testing.T) {
	var replay agent.Replay
	for _, m := range []panel.Memory{
		{Key: "inside/a", Value: "1 front"}, {Key: "inside/b", Value: "2 front"}, {Key: "uses/x", Value: "1 0 0"}, {Key: "uses/y", Value: "1 0 0"}, {Key: "guess", Value: "3"},
		{Key: "uses/x"}, {Key: "inside/"}, {Key: "inside/c", Value: "3 front"}, {Key: "never/was"},
	} {
		record := agent.Record{Boot: boot, Now: badge.Now, Entry: panel.Entry{Kind: panel.AccessGranted}, Remember: []panel.Memory{m}}
		open, personal := record.Encode()
		back, err := agent.Decode(open, personal)
		if err != nil {
			t.Fatal(err)
		}
		replay.Add(back)
	}
	want := []panel.Memory{{Key: "guess", Value: "3"}, {Key: "inside/c", Value: "3 front"}, {Key: "uses/y", Value: "1 0 0"}}
	if got := replay.Memory(); !reflect.DeepEqual(got, want) {
		t.Errorf("remembers %v, want %v", got, want)
	}
}

func TestATypicalEntryIsSmall(t *testing.T) {
	open, personal := badge.Encode()
	t.Logf("a badge: %d bytes that stay, %d that name somebody", len(open), len(personal))
	if len(open) > 110 || len(open)+len(personal) > 150 {
		t.Errorf("%d and %d bytes", len(open), len(personal))
	}
}

func TestTextsAreCutAndCleaned(t *testing.T) {
	long := strings.Repeat("é", 1000)
	r := badge
	r.Entry.Detail, r.Entry.Who, r.Entry.Door = "a\x1b[31mb\r\nc\u202ed\u2028e\xff", long, "front\x00"
	open, personal := r.Encode()
	got, err := agent.Decode(open, personal)
	if err != nil {
		t.Fatal(err)
	}
	if got.Entry.Detail != "a[31mbcde" || got.Entry.Door != "front" {
		t.Errorf("got %q at %q", got.Entry.Detail, got.Entry.Door)
	}
	if n := len(got.Entry.Who); n > 256 || n < 250 || !utf8.ValidString(got.Entry.Who) {
		t.Errorf("a name of %d bytes", n)
	}
}

func TestDamagedEntriesAreRefused(t *testing.T) {
	open, personal := badge.Encode()
	odd, err := cbor.Marshal(map[int]any{12: [][]string{{"guess"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, parts := range map[string][2][]byte{
		"nothing": {nil, nil}, "cut off": {open[:len(open)-1], nil}, "a name cut off": {open, personal[:len(personal)-1]},
		"something behind": {append(bytes.Clone(open), 0), nil}, "half a memory": {odd, nil}, "text": {[]byte("front"), nil},
	} {
		if _, err := agent.Decode(parts[0], parts[1]); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	open, personal := badge.Encode()
	f.Add(open, personal)
	f.Add([]byte{0xa0}, []byte(nil))
	f.Fuzz(func(t *testing.T, open, personal []byte) {
		record, err := agent.Decode(open, personal)
		if err != nil {
			return
		}
		again, err := agent.Decode(record.Encode())
		if err != nil {
			t.Fatalf("%+v cannot be read after it was written: %v", record, err)
		}
		if twice, _ := agent.Decode(again.Encode()); !reflect.DeepEqual(twice, again) {
			t.Errorf("%+v became %+v", again, twice)
		}
	})
}

func TestTheMarkOfTheClockOnlyGrowsAndNotByLeaps(t *testing.T) {
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	at := func(wall time.Time, trusted bool) agent.Record {
		return agent.Record{Now: panel.Now{Wall: wall, Trusted: trusted}}
	}
	var r agent.Replay
	for _, step := range []struct {
		name   string
		record agent.Record
		want   time.Time
	}{
		{"a clock nobody trusts", at(day, false), time.Time{}},
		{"the first trusted time", at(day, true), day},
		{"later", at(day.Add(time.Hour), true), day.Add(time.Hour)},
		{"back", at(day, true), day.Add(time.Hour)},
		{"ahead, not trusted", at(day.Add(2*time.Hour), false), day.Add(time.Hour)},
		{"a day ahead of the first", at(day.Add(24*time.Hour), true), day.Add(24 * time.Hour)},
		{"more than a day ahead", at(day.Add(50*time.Hour), true), day.Add(24 * time.Hour)},
		{"the year 2040", at(time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), true), day.Add(24 * time.Hour)},
	} {
		r.Add(step.record)
		if !r.Time.Mark.Equal(step.want) {
			t.Errorf("%s: the mark is %v, want %v", step.name, r.Time.Mark, step.want)
		}
	}
	r.Restore([]panel.Memory{{Key: "k", Value: "v"}}, license.Timekeeping{Mark: day.AddDate(1, 0, 0)})
	if !r.Time.Mark.Equal(day.AddDate(1, 0, 0)) || len(r.Memory()) != 1 {
		t.Errorf("restored %+v", r)
	}
}

func TestTheMarkRunsWithThePanelAndWaitsForAWordToSettle(t *testing.T) {
	start := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	year2040 := time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
	var r agent.Replay
	r.Restore(nil, license.Timekeeping{Mark: start})
	for _, step := range []struct {
		name string
		boot string
		now  panel.Now
		want time.Time
	}{
		{"a start in 1970", "aa", panel.Now{Wall: time.Unix(5, 0)}, start},
		{"an hour later", "aa", panel.Now{Mono: time.Hour, Wall: time.Unix(3605, 0)}, start.Add(time.Hour)},
		{"2040 by hand", "aa", panel.Now{Mono: time.Hour, Wall: year2040, Trusted: true, ByHand: true}, start.Add(time.Hour)},
		{"a day later", "aa", panel.Now{Mono: 25 * time.Hour, Wall: year2040.Add(24 * time.Hour), Trusted: true, ByHand: true}, year2040.Add(24 * time.Hour)},
		{"another start, 1970 again", "bb", panel.Now{Mono: 50 * time.Hour, Wall: time.Unix(5, 0)}, year2040.Add(24 * time.Hour)},
	} {
		r.Add(agent.Record{Boot: step.boot, Now: step.now})
		if !r.Time.Mark.Equal(step.want) {
			t.Errorf("%s: the mark is %v, want %v", step.name, r.Time.Mark, step.want)
		}
	}
	if r.Time.Ran != 25*time.Hour {
		t.Errorf("it ran for %v", r.Time.Ran)
	}
}
