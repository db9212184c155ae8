package license

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// Code is a document that another panel may have to see, or to see again: nothing is counted twice. Its text is
// envelope.Armor(Kind, Raw).
type Code struct {
	Document
	License TokenID
	Feature string    // of slices and returns
	Panel   string    // id of the panel that it is to be shown to; empty = whichever takes the license over
	Count   int       // what that panel has with it; of a return: what was given back in all
	At      time.Time // when it was signed
	Message string    // what it is for, in words
}

// Codes lists what may be shown again, newest first: slices given, returns, releases, and the slices of other panels, which those need
// when their records are lost.
func (e Entitlements) Codes() []Code { return slices.Clone(e.codes) }

func (r *records) codes() []Code {
	var codes []Code
	for _, tail := range slices.Sorted(maps.Keys(r.given)) {
		share := r.given[tail]
		codes = append(codes, Code{
			Document: Document{envelope.Slice, place(placeGiven, tail), share.raw}, License: r.license(share.activation.License).ID, Feature: share.Feature,
			Panel: share.To.String(), Count: share.left(), At: share.At,
			Message: fmt.Sprintf("%s for %s", Describe(share.Feature).amount(share.left()), r.name(share.To)),
		})
	}
	for _, tail := range slices.Sorted(maps.Keys(r.taken)) {
		share := r.taken[tail]
		holder := envelope.ThumbprintOf(share.Holder)
		code := Code{
			Document: Document{envelope.Slice, place(placeTaken, tail), share.raw}, License: r.license(share.activation.License).ID, Feature: share.Feature,
			Panel: holder.String(), Count: share.left(), At: share.At,
			Message: fmt.Sprintf("what %s gave, if its records are lost", r.name(holder)),
		}
		codes = append(codes, code)
		if share.back != nil {
			back, err := OpenReturn(share.back)
			if err != nil {
				continue
			}
			code.Document, code.Count, code.At = Document{envelope.Return, place(placeBack, tail), share.back}, share.backed, back.At
			code.Message = fmt.Sprintf("%s given back to %s", Describe(share.Feature).amount(share.backed), r.name(holder))
			codes = append(codes, code)
		}
	}
	for _, ref := range slices.Sorted(maps.Keys(r.released)) {
		release, over := r.over(ref)
		a, err := OpenActivation(release.Activation)
		if !over || err != nil {
			continue
		}
		codes = append(codes, Code{
			Document: Document{envelope.Release, place(placeRelease, ref), release.raw}, License: r.license(a.License).ID, At: release.At,
			Message: "the panel that takes the license over",
		})
	}
	codes = slices.DeleteFunc(codes, func(c Code) bool { return c.Raw == nil })
	slices.SortStableFunc(codes, func(a, b Code) int { return b.At.Compare(a.At) })
	return codes
}
