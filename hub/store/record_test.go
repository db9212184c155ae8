package store

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

func drawEvent(t *rapid.T) fleet.Received {
	text := rapid.StringN(0, 40, 200)
	hexed := rapid.OneOf(rapid.StringMatching(`[0-9a-f]{0,40}`), text, rapid.StringMatching(`[0-9a-f]{300,320}`))
	at := rapid.Custom(func(t *rapid.T) time.Time { return time.UnixMicro(rapid.Int64Range(-1e15, 4e15).Draw(t, "us")).UTC() })
	r := fleet.Received{
		Serial: 1, At: at.Draw(t, "at"), Site: text.Draw(t, "site"), Panel: text.Draw(t, "panel"),
		Event: telemetry.Event{
			V: telemetry.Version, Epoch: hexed.Draw(t, "epoch"), Boot: hexed.Draw(t, "boot"), Seq: rapid.Uint64().Draw(t, "seq"), Time: at.Draw(t, "time"),
			Trusted: rapid.Bool().Draw(t, "trusted"), MonoMS: rapid.Uint64().Draw(t, "mono"), Kind: text.Draw(t, "kind"), Door: text.Draw(t, "door"),
			Who: text.Draw(t, "who"), Why: text.Draw(t, "why"), Reader: text.Draw(t, "reader"), Credential: text.Draw(t, "credential"), Call: text.Draw(t, "call"),
			Button: rapid.Int().Draw(t, "button"), Detail: text.Draw(t, "detail"), Erased: rapid.Bool().Draw(t, "erased"),
			Prev: hexed.Draw(t, "prev"), Chain: hexed.Draw(t, "chain"),
		},
	}
	if sealed := rapid.SliceOf(rapid.Byte()).Draw(t, "sealed"); len(sealed) > 0 {
		r.Event.Sealed = sealed
	}
	if rapid.Bool().Draw(t, "gap") {
		r.Event.Gap = &telemetry.Gap{From: rapid.Uint64().Draw(t, "from"), To: rapid.Uint64().Draw(t, "to"), Count: rapid.Uint64().Draw(t, "count")}
	}
	return r
}

func TestEventsAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawEvent(t)
		open, personal := encodeEvent(&r)
		got, err := decodeEvent(1, open, personal, false)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("%v\n%+v\n%+v", err, got, r)
		}
		f, err := readFront(open)
		if err != nil {
			t.Fatal(err)
		}
		p, err := readPosition(&f)
		if err != nil || p != (position{r.Event.Epoch, r.Event.Seq, r.Event.Prev, r.Event.Chain}) {
			t.Fatalf("%v %+v", err, p)
		}
		// An event whose names were erased is read as well.
		bare, err := decodeEvent(1, open, nil, true)
		if err != nil || bare.Event.Who != "" || bare.Event.Credential != "" || !bare.Event.Erased || bare.Event.Chain != r.Event.Chain {
			t.Fatalf("%v %+v", err, bare)
		}
		if r.Event.Who != "" && len(r.Event.Who) > 3 && r.Event.Who != r.Event.Detail && bytes.Contains(open, []byte(r.Event.Who+r.Event.Credential)) && r.Event.Credential != "" {
			t.Fatalf("the open part names %q", r.Event.Who)
		}
	})
}

func TestWordsAreFoundAsInTheWholeEvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawEvent(t)
		e := r.Event
		words := []string{e.Who, e.Detail, e.Why, e.Door, e.Kind, e.Reader, e.Credential, e.Call, r.Site, r.Panel}
		part := rapid.StringN(1, 3, 12).Draw(t, "part")
		if word := rapid.SampledFrom(words).Draw(t, "word"); word != "" && rapid.Bool().Draw(t, "from a word") {
			runes := []rune(word)
			from := rapid.IntRange(0, len(runes)-1).Draw(t, "from")
			part = strings.ToUpper(string(runes[from:rapid.IntRange(from+1, len(runes)).Draw(t, "to")]))
		}
		want, who := false, strings.Contains(strings.ToLower(e.Who), strings.ToLower(part))
		for _, word := range words {
			want = want || strings.Contains(strings.ToLower(word), strings.ToLower(part))
		}
		open, personal := encodeEvent(&r)
		front, err := readFront(open)
		if err != nil {
			t.Fatal(err)
		}
		text, name := newFilter(fleet.Query{Text: part}), newFilter(fleet.Query{Who: part})
		if got := text.words(&front, personal); got != want {
			t.Fatalf("%q in %q: %v", part, words, got)
		}
		if got := name.words(&front, personal); got != who {
			t.Fatalf("%q in %q: %v", part, e.Who, got)
		}
	})
}

// FuzzDecodeEvent feeds what a damaged or foreign file may hold.
func FuzzDecodeEvent(f *testing.F) {
	r := fleet.Received{Site: "north", Panel: "p", Event: telemetry.Event{Epoch: "9f86", Seq: 7, Chain: strings.Repeat("ab", 16), Who: "anna", Gap: &telemetry.Gap{From: 1, To: 7, Count: 7}}}
	open, personal := encodeEvent(&r)
	f.Add(open, personal)
	f.Add([]byte{1}, []byte{255, 255})
	f.Fuzz(func(t *testing.T, open, personal []byte) {
		r, err := decodeEvent(1, open, personal, false)
		if err != nil {
			return
		}
		front, err := readFront(open)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := readPosition(&front); err != nil || p.seq != r.Event.Seq || p.epoch != r.Event.Epoch {
			t.Fatalf("%v: %+v of %+v", err, p, r)
		}
		newPart, newPersonal := encodeEvent(&r)
		again, err := decodeEvent(1, newPart, newPersonal, false)
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%v\n%+v\n%+v", err, again, r)
		}
	})
}
