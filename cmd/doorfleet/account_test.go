package main

import (
	"testing"

	"pgregory.net/rapid"
)

func wroteUpTo(epoch string, n uint64) (all []written) {
	for seq := uint64(1); seq <= n; seq++ {
		all = append(all, written{Epoch: epoch, Seq: seq, Chain: epoch + string(rune('a'+seq%20))})
	}
	return all
}

func heldOf(all []written) (list []held) {
	for _, w := range all {
		list = append(list, held{Panel: "p", Epoch: w.Epoch, Seq: w.Seq, Chain: w.Chain})
	}
	return list
}

func TestABalanceNamesWhatIsWrong(t *testing.T) {
	five := wroteUpTo("e", 5)
	other := heldOf(five)
	other[2].Chain = "x"
	for _, test := range []struct {
		name  string
		wrote []written
		holds []held
		odd   string
		fault bool
		want  account
		good  bool
	}{
		{name: "all there", wrote: five, holds: heldOf(five), want: account{Written: 5, Held: 5}, good: true},
		{name: "nothing written, nothing held", good: true},
		{name: "one lost", wrote: five, holds: append(heldOf(five[:2]), heldOf(five[3:])...), want: account{Written: 5, Held: 4, Lost: 1, First: "lost: entry 3 of journal e"}},
		{name: "one twice", wrote: five, holds: append(heldOf(five), heldOf(five[4:])...), want: account{Written: 5, Held: 6, Twice: 1, First: "twice: entry 5 of journal e"}},
		{name: "out of order", wrote: five, holds: append(heldOf(five[1:]), heldOf(five[:1])...), want: account{Written: 5, Held: 5, Disordered: 1, First: "out of order: entry 1 of journal e"}},
		{name: "another content", wrote: five, holds: other, want: account{Written: 5, Held: 5, Other: 1, First: "another content: entry 3 of journal e"}},
		{name: "of a hub without chains", wrote: five, holds: []held{{Epoch: "e", Seq: 1}, {Epoch: "e", Seq: 2}, {Epoch: "e", Seq: 3}, {Epoch: "e", Seq: 4}, {Epoch: "e", Seq: 5}}, want: account{Written: 5, Held: 5}, good: true},
		{name: "written after the count", wrote: five[:3], holds: heldOf(five), want: account{Written: 3, Held: 3}, good: true},
		{name: "of a journal that never was", wrote: five, holds: append(heldOf(five), held{Epoch: "f", Seq: 1}), want: account{Written: 5, Held: 6, Strange: 1, First: "never written: entry 1 of journal f"}},
		{name: "set back, and nobody noticed", wrote: five, holds: other, odd: "restored", want: account{Written: 5, Held: 5, Other: 1, First: "another content: entry 3 of journal e", Odd: "restored"}},
		{name: "set back, and found out", wrote: five, holds: other, odd: "restored", fault: true, want: account{Written: 5, Held: 5, Other: 1, First: "another content: entry 3 of journal e", Odd: "restored", Fault: true}, good: true},
		{name: "set back, found out, and doubled", wrote: five, holds: append(other, other[4]), odd: "restored", fault: true, want: account{Written: 5, Held: 6, Other: 1, Twice: 1, First: "another content: entry 3 of journal e", Odd: "restored", Fault: true}},
	} {
		got := balance(test.wrote, test.holds)
		got.Odd, got.Fault = test.odd, test.fault
		if got != test.want || got.good() != test.good {
			t.Errorf("%s:\n got %+v, good %v\nwant %+v, good %v", test.name, got, got.good(), test.want, test.good)
		}
	}
}

// Whatever a hub leaves out, doubles or turns around is found, each by its number.
func TestABalanceCountsWhatABadHubDid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wrote := wroteUpTo("e", uint64(rapid.IntRange(1, 60).Draw(t, "entries")))
		var holds []held
		lost, twice := 0, 0
		for _, h := range heldOf(wrote) {
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				lost++
			case 1:
				twice++
				holds = append(holds, h, h)
			default:
				holds = append(holds, h)
			}
		}
		a := balance(wrote, holds)
		// What is missing at the end cannot be told from what was written after the hub was asked, but it is lost all the same.
		if a.Lost != lost || a.Twice != twice || a.Disordered != 0 || a.good() != (lost+twice == 0) {
			t.Errorf("%d lost, %d twice: %+v", lost, twice, a)
		}
	})
}

func TestATotalKeepsWhatIsOddApart(t *testing.T) {
	sum := total([]account{
		{Panel: 1, Written: 5, Held: 5},
		{Panel: 2, Written: 5, Held: 4, Lost: 1},
		{Panel: 3, Written: 5, Held: 9, Other: 2, Strange: 4, Odd: "restored", Fault: true},
		{Panel: 4, Written: 5, Held: 2, Lost: 3},
	})
	if sum.Panels != 4 || sum.Written != 20 || sum.Held != 20 || sum.Lost != 4 || sum.Other != 0 || len(sum.Bad) != 2 || sum.Bad[0].Panel != 4 || len(sum.Odd) != 1 {
		t.Errorf("%+v", sum)
	}
}
